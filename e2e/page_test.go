package e2e

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// evil is what a node calls itself that would like to run in an operator's browser.
const evil = `<img src=x onerror=window.owned=1>`

// evilNode is an IMAP node that refuses its clients with such words, until it is good.
type evilNode struct {
	t        *testing.T
	good     atomic.Bool
	listener net.Listener
	serving  sync.WaitGroup
}

func (n *evilNode) start() {
	n.t.Helper()
	l, err := net.Listen("tcp", "127.0.1.9:1143")
	if err != nil {
		n.t.Fatal(err)
	}
	n.listener = l
	n.serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.SetDeadline(time.Now().Add(patience))
			n.serving.Go(func() { n.serve(c) })
		}
	})
}

func (n *evilNode) serve(c net.Conn) {
	defer c.Close()
	if !n.good.Load() {
		fmt.Fprintf(c, "* BYE %s\r\n", evil)
		return
	}
	fmt.Fprintf(c, "* OK %s ready\r\n", evil)
	for lines := bufio.NewScanner(c); lines.Scan(); {
		tag, command, _ := strings.Cut(lines.Text(), " ")
		untagged := "* CAPABILITY IMAP4rev1"
		if command == "LOGOUT" {
			untagged = "* BYE"
		}
		fmt.Fprintf(c, "%s\r\n%s OK done\r\n", untagged, tag)
	}
}

func (n *evilNode) stop() {
	n.listener.Close()
	n.serving.Wait()
}

// pageTopology is the usual one and the evil node.
type pageTopology struct{ topology }

func (y pageTopology) write(t *testing.T, path string) {
	node := "nodes:\n  - {name: evil, address: 127.0.1.9, region: us, services: [imap], weight: 0}\n"
	replace(t, path, strings.Replace(y.String(), "nodes:\n", node, 1))
}

// TestPage looks at the status page as an operator does: reads, filters, drains and resumes with the keyboard, asks why, and
// watches events. What nodes call themselves is text.
func TestPage(t *testing.T) {
	o := begin(t)
	if noPage != "" {
		t.Skip(noPage)
	}
	bad := &evilNode{t: t}
	bad.start()
	t.Cleanup(func() { bad.stop() })
	serve(t, pageTopology{topology{regions: "regions:\n  eu: {location: [50.11, 8.68]}\n  us: {location: [39.04, -77.49]}\nregion: eu\n",
		region: map[string]string{"d1": "eu", "d2": "eu", "d3": "us", "p1": "eu", "p2": "us"}}})
	b := browse(t, "/")
	rows := len(everybody) + 1
	b.shows("#facts", "serving", fmt.Sprintf("%d nodes", rows))
	b.do(chromedp.WaitNotVisible("#login"), chromedp.WaitNotVisible("#cells"))
	b.shows("#rows tbody tr[data-node=d1]", "up", "imaps")
	b.shows("#regions tbody tr[data-region=eu]", "up")
	b.shows("#map", "eu (here)", "us")
	b.shows("#services tbody tr[data-service=imaps]", "100 %")

	b.shows("#rows tbody tr[data-node=evil]", "down", "<img")
	if value[bool](b, "'owned' in window || document.querySelector('main img') !== null") {
		t.Error("the name of a node got into the page as markup")
	}

	filters(b, rows)
	drainsByKeyboard(b)
	b.do(chromedp.SetValue("#client", "192.0.2.7"), chromedp.SetValue("#service", "imaps"), chromedp.Click("#explain button"))
	b.shows("#explained", "regions", "d1")

	b.shows("#events li[data-kind=node-down]", "evil", "<img")
	b.do(chromedp.Click("#rows tbody tr[data-node=evil] th button"))
	b.shows("#detail", "imap", "* BYE <img") // the transcript
	b.do(chromedp.KeyEvent(kb.Escape))
	bad.good.Store(true)
	b.shows("#events li[data-kind=node-up]", "evil")
	b.shows("#rows tbody tr[data-node=evil]", "up")

	looks(b)
	for _, trouble := range b.said() {
		t.Errorf("the browser says: %s", trouble)
	}
	o.fact(t, "%d nodes: filtered, drained, resumed, explained, events followed; hostile names are text", rows)
}

// filters narrows the list down by words and by state.
func filters(b *browser, rows int) {
	b.t.Helper()
	shown := func() int { return value[int](b, "document.querySelectorAll('#rows tbody tr').length") }
	if got := shown(); got != rows {
		b.t.Errorf("%d rows, want %d", got, rows)
	}
	b.do(chromedp.SendKeys("#find", "d2 sieve"))
	if got := shown(); got != 1 {
		b.t.Errorf("%d rows for d2 sieve, want 1", got)
	}
	b.choose("find", "")
	b.choose("state", "draining")
	if got := shown(); got != 0 {
		b.t.Errorf("%d rows that drain, want none", got)
	}
	b.choose("state", "")
	b.do(chromedp.Click("#grid"))
	if got := value[int](b, "document.querySelectorAll('#cells button').length"); got != rows {
		b.t.Errorf("%d cells in the grid, want %d", got, rows)
	}
	b.do(chromedp.Click("#grid"))
}

// drainsByKeyboard drains d1 and resumes it without a mouse.
func drainsByKeyboard(b *browser) {
	b.t.Helper()
	const button = `#rows tbody tr[data-node=d1] button[aria-label="%s node d1"]`
	b.do(chromedp.Focus(fmt.Sprintf(button, "Drain")), chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible("#ask"))
	b.do(chromedp.SendKeys("#reason", "a look at <its> disk"), chromedp.KeyEvent(kb.Enter))
	b.shows("#rows tbody tr[data-node=d1]", "draining", "resume")
	b.shows("#events li[data-kind=drain-began]", "d1")
	b.shows("#events li[data-kind=drain-ended]", "d1")
	b.shows("#drains", "node d1", "ended")
	b.shows("#marks", "a look at <its> disk")
	b.do(chromedp.Focus(fmt.Sprintf(button, "Resume")), chromedp.KeyEvent(kb.Enter))
	b.shows("#rows tbody tr[data-node=d1]", "up", "drain")
	b.shows("#events li[data-kind=resume]", "d1")
}

// looks is the page on a phone and in the dark.
func looks(b *browser) {
	b.t.Helper()
	const ground = "getComputedStyle(document.body).backgroundColor"
	light := value[string](b, ground)
	b.shot("status-light")
	b.dark()
	if dark := value[string](b, ground); dark == light {
		b.t.Errorf("the ground is %s in the dark as well", dark)
	}
	b.shot("status-dark")
	b.do(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile))
	if wide := value[int](b, "document.documentElement.scrollWidth"); wide > 390 {
		b.t.Errorf("on a phone the page is %d pixels wide, want 390", wide)
	}
	b.shot("status-phone")
}

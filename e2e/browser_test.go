package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser is a tab of a headless Chromium of its own.
type browser struct {
	t   *testing.T
	tab context.Context

	mu       sync.Mutex // guards the following
	troubles []string   // exceptions of scripts, and what a policy has blocked
}

// browse opens a page of the admin API. The browser ends with the test.
func browse(t *testing.T, path string) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1360, 1000),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.UserDataDir(t.TempDir()))
	ctx, end := chromedp.NewExecAllocator(context.Background(), options...)
	tab, leave := chromedp.NewContext(ctx)
	b := &browser{t: t, tab: tab}
	t.Cleanup(func() {
		chromedp.Cancel(tab) // waits for the process
		leave()
		end()
	})
	if err := chromedp.Listen(tab, b.listen); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(tab, log.Enable, cdp.Empty{}); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Navigate("http://" + admin + path))
	return b
}

type step = chromedp.Action[chromedp.Void]

func (b *browser) listen(event any) {
	said := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		said = e.ExceptionDetails.Text + " " + e.ExceptionDetails.URL
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			said = e.Entry.Text + " " + e.Entry.URL
		}
	}
	if said != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.troubles = append(b.troubles, said)
	}
}

// said is what the browser complained about.
func (b *browser) said() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.troubles
}

// stepTime bounds one thing that is asked of the browser, on a machine that has other things to do.
const stepTime = 30 * time.Second

func (b *browser) do(steps ...step) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.tab, stepTime)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("browser: %v", err)
	}
}

// result is what an action gives.
func result[T any](b *browser, a chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.tab, stepTime)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		b.t.Fatalf("browser: %v", err)
	}
	return v
}

// value is what an expression of JavaScript gives.
func value[T any](b *browser, expression string) T {
	b.t.Helper()
	return result(b, chromedp.Evaluate[T](expression))
}

// choose gives a field of a form a value, as a person would.
func (b *browser) choose(id, text string) {
	b.t.Helper()
	value[bool](b, fmt.Sprintf("(e => { e.value = %q; return e.dispatchEvent(new Event('input')) })(document.getElementById(%q))", text, id))
}

// dark makes the browser prefer dark colours.
func (b *browser) dark() {
	b.t.Helper()
	dark := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}}
	if _, err := chromedp.Call(b.tab, emulation.SetEmulatedMedia, dark); err != nil {
		b.t.Fatal(err)
	}
}

// text is what a person reads at a selector.
func (b *browser) text(selector string) string {
	return value[string](b, fmt.Sprintf("(e => e?.innerText ?? e?.textContent ?? '')(document.querySelector(%q))", selector))
}

// shows waits until the text at a selector has all the words.
func (b *browser) shows(selector string, words ...string) {
	b.t.Helper()
	eventually(b.t, 15*time.Second, selector+" shows "+strings.Join(words, ", "), func() error {
		text := b.text(selector)
		for _, w := range words {
			if !strings.Contains(text, w) {
				return fmt.Errorf("it is %q", text)
			}
		}
		return nil
	})
}

// shot keeps a picture of the whole page where PAGE_SHOTS names a directory: docs/ has them.
func (b *browser) shot(name string) {
	b.t.Helper()
	dir := os.Getenv("PAGE_SHOTS")
	if dir == "" {
		return
	}
	png := result(b, chromedp.FullScreenshot(100))
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

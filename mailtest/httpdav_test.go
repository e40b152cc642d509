package mailtest

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-ical"
	"github.com/emersion/go-vcard"
	"github.com/emersion/go-webdav"
	"github.com/emersion/go-webdav/caldav"
	"github.com/emersion/go-webdav/carddav"

	"posthouse/config"
)

// davStep is a request and the status that answers it.
type davStep struct {
	method, path, body, header string
	status                     int
}

func (b *browser) steps(steps []davStep) {
	b.t.Helper()
	for _, s := range steps {
		header := strings.Split(strings.ReplaceAll(s.header, "BASE", b.base), "\n")
		if s.header == "" {
			header = nil
		}
		if status, text := b.text(s.method, s.path, s.body, header...); status != s.status {
			b.t.Errorf("%s %s %q = %d %s, want %d", s.method, s.path, s.header, status, text, s.status)
		}
	}
}

func TestFiles(t *testing.T) {
	node, _ := started(t, config.ProxyNone)
	b := browsing(t, node, "webdav-plain", nil)
	b.steps([]davStep{
		{"PUT", "/dav/file/anna/a.txt", "one", "", 201},
		{"PUT", "/dav/file/anna/a.txt", "three", "", 204},
		{"GET", "/dav/file/anna/a.txt", "", "", 200},
		{"HEAD", "/dav/file/anna/a.txt", "", "", 200},
		{"GET", "/dav/file/anna/a.txt", "", "Range: bytes=1-2", 206},
		{"GET", "/dav/file/anna/b.txt", "", "", 404},
		{"PUT", "/dav/file/anna/no/b.txt", "x", "", 409},
		{"MKCOL", "/dav/file/anna/no/dir", "", "", 409},
		{"MKCOL", "/dav/file/anna/dir", "", "", 201},
		{"MKCOL", "/dav/file/anna/dir", "", "", 405},
		{"PUT", "/dav/file/anna/dir", "x", "", 405},
		{"PROPFIND", "/dav/file/anna/", "", "Depth: 1", 207},
		{"COPY", "/dav/file/anna/a.txt", "", "Destination: BASE/dav/file/anna/dir/c.txt", 201},
		{"COPY", "/dav/file/anna/a.txt", "", "Destination: BASE/dav/file/anna/dir/c.txt", 204},
		{"COPY", "/dav/file/anna/a.txt", "", "Destination: BASE/dav/file/anna/dir/c.txt\nOverwrite: F", 412},
		{"COPY", "/dav/file/anna/x.txt", "", "Destination: BASE/dav/file/anna/y.txt", 404},
		{"COPY", "/dav/file/anna/a.txt", "", "Destination: BASE/dav/file/anna/no/y.txt", 409},
		{"COPY", "/dav/file/anna/a.txt", "", "Destination: BASE/elsewhere", 403},
		{"MOVE", "/dav/file/anna/dir", "", "Destination: BASE/dav/file/anna/dir/in", 403},
		{"COPY", "/dav/file/anna/dir", "", "Destination: BASE/dav/file/anna/shallow\nDepth: 0", 201},
		{"GET", "/dav/file/anna/shallow/c.txt", "", "", 404},
		{"MOVE", "/dav/file/anna/dir", "", "Destination: BASE/dav/file/anna/moved", 201},
		{"GET", "/dav/file/anna/moved/c.txt", "", "", 200},
		{"GET", "/dav/file/anna/dir/c.txt", "", "", 404},
		{"DELETE", "/dav/file/anna/moved", "", "", 204},
		{"DELETE", "/dav/file/anna/moved", "", "", 404},
		{"PUT", "/dav/file/bert/a.txt", "x", "", 403},
		{"GET", "/dav/else", "", "", 404},
		{"PUT", "/dav/file/anna/big", strings.Repeat("x", maxFile+1), "", 507},
	})
	if status, text := b.text("GET", "/dav/file/anna/a.txt", ""); status != 200 || text != "three" {
		t.Errorf("a.txt = %d %q", status, text)
	}
}

// davClients is clients of the library that discover what is anna's, as real ones do.
func davClients(t *testing.T) (webdav.HTTPClient, string) {
	node, _ := started(t, config.ProxyNone)
	b := browsing(t, node, "webdav-plain", nil)
	return webdav.HTTPClientWithBasicAuth(&http.Client{Transport: b.client.Transport}, "anna", "secret"), b.base
}

func TestCalendars(t *testing.T) {
	web, base := davClients(t)
	c, err := caldav.NewClient(web, base+"/.well-known/caldav")
	if err != nil {
		t.Fatal(err)
	}
	me, err := c.FindCurrentUserPrincipal(t.Context())
	if err != nil || me != "/dav/pal/anna/" {
		t.Fatalf("principal %q, %v", me, err)
	}
	home, err := c.FindCalendarHomeSet(t.Context(), me)
	if err != nil || home != "/dav/cal/anna/" {
		t.Fatalf("home %q, %v", home, err)
	}
	all, err := c.FindCalendars(t.Context(), home)
	if err != nil || len(all) != 1 || all[0].Path != "/dav/cal/anna/default/" {
		t.Fatalf("calendars %v, %v", all, err)
	}
	path := all[0].Path + "one.ics"
	if _, err := c.PutCalendarObject(t.Context(), path, event()); err != nil {
		t.Fatal(err)
	}
	found, err := c.QueryCalendar(t.Context(), all[0].Path, &caldav.CalendarQuery{
		CompRequest: caldav.CalendarCompRequest{Name: "VCALENDAR", AllProps: true, AllComps: true},
		CompFilter:  caldav.CompFilter{Name: "VCALENDAR", Comps: []caldav.CompFilter{{Name: "VEVENT"}}},
	})
	if err != nil || len(found) != 1 || found[0].Path != path {
		t.Errorf("query found %v, %v", found, err)
	}
	if got, err := c.GetCalendarObject(t.Context(), path); err != nil || got.ETag == "" {
		t.Errorf("get: %v, %v", got, err)
	}
	if err := c.RemoveAll(t.Context(), path); err != nil {
		t.Error(err)
	}
	if _, err := c.GetCalendarObject(t.Context(), path); err == nil {
		t.Error("still there")
	}
}

func event() *ical.Calendar {
	e := ical.NewEvent()
	e.Props.SetText(ical.PropUID, "one@example.org")
	e.Props.SetDateTime(ical.PropDateTimeStamp, time.Unix(1e9, 0).UTC())
	e.Props.SetDateTime(ical.PropDateTimeStart, time.Unix(1e9, 0).UTC())
	c := ical.NewCalendar()
	c.Props.SetText(ical.PropVersion, "2.0")
	c.Props.SetText(ical.PropProductID, "-//example//test//EN")
	c.Children = append(c.Children, e.Component)
	return c
}

func TestContacts(t *testing.T) {
	web, base := davClients(t)
	c, err := carddav.NewClient(web, base+"/.well-known/carddav")
	if err != nil {
		t.Fatal(err)
	}
	me, err := c.FindCurrentUserPrincipal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	home, err := c.FindAddressBookHomeSet(t.Context(), me)
	if err != nil {
		t.Fatal(err)
	}
	books, err := c.FindAddressBooks(t.Context(), home)
	if err != nil || len(books) != 1 {
		t.Fatalf("books %v, %v", books, err)
	}
	card := vcard.Card{}
	card.SetValue(vcard.FieldUID, "one")
	card.SetValue(vcard.FieldFormattedName, "Bert")
	vcard.ToV4(card)
	path := books[0].Path + "one.vcf"
	if _, err := c.PutAddressObject(t.Context(), path, card); err != nil {
		t.Fatal(err)
	}
	if got, err := c.GetAddressObject(t.Context(), path); err != nil || got.Card.Value(vcard.FieldFormattedName) != "Bert" {
		t.Errorf("get: %v, %v", got, err)
	}
}

func TestCollections(t *testing.T) {
	node, _ := started(t, config.ProxyNone)
	b := browsing(t, node, "webdav-plain", nil)
	text, _ := io.ReadAll(strings.NewReader("BEGIN:VCARD\r\nVERSION:4.0\r\nUID:one\r\nFN:Bert\r\nEND:VCARD\r\n"))
	card := string(text)
	b.steps([]davStep{
		{"MKCOL", "/dav/cal/anna/more/", "", "", 201},
		{"MKCOL", "/dav/cal/anna/more/", "", "", 405},
		{"MKCOL", "/dav/card/anna/more/", "", "", 201},
		{"PUT", "/dav/card/anna/more/1.vcf", card, "Content-Type: text/vcard", 201},
		{"PUT", "/dav/card/anna/more/1.vcf", card, "Content-Type: text/vcard\nIf-None-Match: *", 412},
		{"PUT", "/dav/card/anna/more/2.vcf", card, "Content-Type: text/vcard\nIf-Match: \"x\"", 412},
		{"PUT", "/dav/card/anna/none/1.vcf", card, "Content-Type: text/vcard", 409},
		{"PROPFIND", "/dav/card/anna/more/", "", "Depth: 1", 207},
		{"DELETE", "/dav/card/anna/more/", "", "", 204},
		{"GET", "/dav/card/anna/more/1.vcf", "", "", 404},
		{"PUT", "/dav/cal/anna/more/1.ics", "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", "Content-Type: text/calendar", 409},
		{"GET", "/dav/cal/bert/default/", "", "", 403},
	})
	response := b.do("OPTIONS", "/dav/cal/anna/", nil)
	if dav := strings.Split(response.Header.Get("DAV"), ", "); !slices.Contains(dav, "calendar-access") {
		t.Errorf("DAV %v", dav)
	}
}

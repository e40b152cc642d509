package mailtest

import (
	"context"
	"net/http"
	"strings"

	"github.com/emersion/go-webdav"
	"github.com/emersion/go-webdav/caldav"
	"github.com/emersion/go-webdav/carddav"
)

// WebDAV has the paths of a Stalwart node: /dav/cal/<account>/, /dav/card/<account>/, /dav/file/<account>/, and the
// principal /dav/pal/<account>/.
const (
	davCalendars = "/dav/cal/"
	davContacts  = "/dav/card/"
	davFiles     = "/dav/file/"
	davPrincipal = "/dav/pal/"
)

// home is what an account has in WebDAV.
type home struct {
	calendars shelf[*calendarData]
	contacts  shelf[cardData]
	files     files
}

func newHome(account string) *home {
	h := &home{}
	h.calendars.create(davCalendars+account+"/default/", "Calendar")
	h.contacts.create(davContacts+account+"/default/", "Contacts")
	h.files.Mkdir(context.Background(), davFiles+account)
	return h
}

// wellKnown is where RFC 6764 sends clients.
var wellKnown = map[string]string{"/.well-known/caldav": davCalendars, "/.well-known/carddav": davContacts}

// serveDAV answers OPTIONS to everybody, as its header DAV is what clients and probes look for, and the rest to those
// who log in.
func (n *Node) serveDAV(w http.ResponseWriter, r *http.Request) {
	if to := wellKnown[strings.TrimSuffix(r.URL.Path, "/")]; to != "" {
		http.Redirect(w, r, to, http.StatusTemporaryRedirect)
		return
	}
	if _, _, known := r.BasicAuth(); r.Method == http.MethodOptions && !known {
		w.Header().Set("DAV", "1, 3, calendar-access, addressbook")
		w.Header().Set("Allow", "OPTIONS, GET, HEAD, PUT, DELETE, PROPFIND, REPORT, MKCOL, COPY, MOVE")
		w.WriteHeader(http.StatusNoContent)
		return
	}
	a := n.authorised(w, r)
	if a == nil {
		return
	}
	a.dav(r.URL.Path).ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), accountKey{}, a)))
}

type accountKey struct{}

func accountOf(ctx context.Context) *account { return ctx.Value(accountKey{}).(*account) }

var (
	calendarHandler = &caldav.Handler{Backend: calendarBackend{}, Prefix: "/dav"}
	contactHandler  = &carddav.Handler{Backend: contactBackend{}, Prefix: "/dav"}
)

// dav is who answers for a path. What belongs to no account is a principal to clients that look for theirs.
func (a *account) dav(path string) http.Handler {
	for prefix, handler := range map[string]http.Handler{
		davCalendars: calendarHandler, davContacts: contactHandler, davFiles: &webdav.Handler{FileSystem: &a.home.files},
	} {
		rest, ok := strings.CutPrefix(path, prefix)
		if !ok || rest == "" {
			continue
		}
		if owner, _, _ := strings.Cut(rest, "/"); owner != a.name {
			return status(http.StatusForbidden)
		}
		return handler
	}
	switch path {
	case "/dav", "/dav/", davCalendars, davContacts, davFiles, davPrincipal, davPrincipal + a.name, davPrincipal + a.name + "/":
		return principal{}
	}
	return http.NotFoundHandler()
}

func status(code int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, http.StatusText(code), code) })
}

// principal is what the backends of calendars and contacts have in common: who asks.
type principal struct{}

// CurrentUserPrincipal implements webdav.UserPrincipalBackend.
func (principal) CurrentUserPrincipal(ctx context.Context) (string, error) {
	return davPrincipal + accountOf(ctx).name + "/", nil
}

func (p principal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, _ := p.CurrentUserPrincipal(r.Context())
	name := accountOf(r.Context()).name + "/"
	webdav.ServePrincipal(w, r, &webdav.ServePrincipalOptions{
		CurrentUserPrincipalPath: path,
		HomeSets: []webdav.BackendSuppliedHomeSet{
			caldav.NewCalendarHomeSet(davCalendars + name), carddav.NewAddressBookHomeSet(davContacts + name),
		},
		Capabilities: []webdav.Capability{caldav.CapabilityCalendar, carddav.CapabilityAddressBook},
	})
}

package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// defaultAdmin is where the admin API listens unless the file says otherwise.
const defaultAdmin = "127.0.0.1:9070"

var adminKeys = table[Admin]{
	key("listen", orNone(adminListen), func(a *Admin) *string { return &a.Listen }),
	key("token_file", existing("a file"), func(a *Admin) *string { return &a.TokenFile }),
	key("cert", existing("a file"), func(a *Admin) *string { return &a.Cert }),
	key("key", existing("a file"), func(a *Admin) *string { return &a.Key }),
}

var adminListen = scalarOf("an address such as 127.0.0.1:9070 or unix:/run/posthouse/admin.sock", words, func(s scope, text string) (string, error) {
	if socket, found := strings.CutPrefix(text, "unix:"); found {
		if socket == "" {
			return "", errWants
		}
		return "unix:" + s.resolve(socket), nil
	}
	if port, found := strings.CutPrefix(text, "localhost:"); found {
		text = "127.0.0.1:" + port
	}
	a, err := parseListen(text)
	if err != nil {
		return "", err
	}
	if !a.Addr().IsValid() {
		return fmt.Sprintf(":%d", a.Port()), nil
	}
	return a.String(), nil
})

// checkAdmin keeps the admin API, which can drain a cluster, off the network unless it is locked.
func (b *builder) checkAdmin() {
	a := b.Admin
	if a.Listen == "" {
		return
	}
	s := scope{loader: b.loader, subject: "admin"}
	if (a.Cert == "") != (a.Key == "") {
		s.errorf(b.place("admin"), "cert and key come together")
	}
	if !local(a.Listen) && (a.TokenFile == "" || a.Cert == "" || a.Key == "") {
		s.errorf(b.place("admin.listen"), "%s is open to others: that takes token_file, cert and key", a.Listen)
	}
}

func local(listen string) bool {
	if strings.HasPrefix(listen, "unix:") {
		return true
	}
	a, err := netip.ParseAddrPort(listen)
	return err == nil && a.Addr().IsLoopback()
}

// place is where the file gives a key at the top, or 1:1.
func (b *builder) place(key string) position {
	if at, given := b.seen[key]; given {
		return at
	}
	return b.top
}

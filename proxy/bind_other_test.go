//go:build !linux

package proxy

import (
	"errors"
	"net/netip"
	"testing"
)

func TestFreebindIsRefused(t *testing.T) {
	l, err := bind(netip.MustParseAddrPort("127.0.0.1:0"), true)
	if err == nil {
		l.Close()
	}
	if !errors.Is(err, errFreebind) {
		t.Errorf("bind = %v, want %v", err, errFreebind)
	}
}

//go:build !linux

package proxy

import "syscall"

// bindLater changes nothing: only Linux can leave the choice of a port to connect.
func bindLater(_, _ string, _ syscall.RawConn) error { return nil }

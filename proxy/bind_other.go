//go:build !linux

package proxy

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// keepAliveOfAccepted is set on each accepted socket: the options have other names on each system, and Go knows them.
var keepAliveOfAccepted = keepAlive

var errFreebind = errors.New("freebind is for Linux only: leave it out, and bind addresses that an interface has")

// prepareListener refuses what is not done here.
func prepareListener(_ int, freebind bool) error {
	if freebind {
		return errFreebind
	}
	return nil
}

// bindRemedy is what to do about an error of bind; empty if there is nothing to say.
func bindRemedy(cause syscall.Errno, port uint16) string {
	switch cause {
	case unix.EACCES:
		return "ports below 1024 need root"
	case unix.EADDRINUSE:
		return fmt.Sprintf("another socket listens there; `lsof -nP -iTCP:%d -sTCP:LISTEN` names its process", port)
	case unix.EADDRNOTAVAIL:
		return "no interface has this address"
	}
	return ""
}

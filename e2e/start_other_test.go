//go:build !linux

package e2e

import "syscall"

// endsWithTest asks for nothing: only Linux ends a child with its parent.
func endsWithTest() *syscall.SysProcAttr { return nil }

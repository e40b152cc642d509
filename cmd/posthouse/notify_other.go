//go:build !linux

package main

// moment is now by the clock that the service manager goes by. Only systemd reads it, and it is on Linux only.
func moment() string { return "MONOTONIC_USEC=0" }

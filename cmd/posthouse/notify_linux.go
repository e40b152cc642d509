package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// moment is now by the clock that the service manager goes by.
func moment() string {
	var now unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return fmt.Sprintf("MONOTONIC_USEC=%d", now.Nano()/1000)
}

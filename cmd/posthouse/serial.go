package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// serialFile holds, inside state_dir, the last serial that the zones had.
const serialFile = "soa-serial"

// serial is that of the zones: the time of the load, and one more than the last where that is not later. It grows with every load,
// also when the clock was set back; health does not change it, because no secondary asks.
type serial struct{ number uint32 }

// next is the serial of a topology that is loaded now.
func (s serial) next(dir string) (serial, error) {
	last := s.number
	if last == 0 && dir != "" {
		text, err := os.ReadFile(filepath.Join(dir, serialFile))
		if err != nil && !os.IsNotExist(err) {
			return s, fmt.Errorf("state_dir: %w", err)
		}
		if n, err := strconv.ParseUint(string(bytes.TrimSpace(text)), 10, 32); err == nil {
			last = uint32(n)
		}
	}
	return serial{max(last+1, uint32(time.Now().Unix()))}, nil
}

// keep remembers the serial.
func (s serial) keep(dir string) error {
	if dir == "" {
		return nil
	}
	return replaceFile(dir, serialFile, []byte(strconv.FormatUint(uint64(s.number), 10)+"\n"))
}

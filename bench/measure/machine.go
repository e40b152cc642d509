//go:build linux

package measure

import (
	"bytes"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Machine is one line about what the figures were measured on.
func Machine() string {
	var name unix.Utsname
	unix.Uname(&name)
	memory, _ := os.ReadFile("/proc/meminfo")
	total, _ := field(memory, "MemTotal:")
	load, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := bytes.Cut(load, []byte(" "))
	return fmt.Sprintf("%s, %d cores, %.0f GiB, Linux %s, %s, load average %s",
		processor(), runtime.NumCPU(), float64(total)/(1<<20), unix.ByteSliceToString(name.Release[:]), runtime.Version(), first)
}

func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	if _, rest, ok := bytes.Cut(info, []byte("model name")); ok {
		if line, _, ok := bytes.Cut(rest, []byte("\n")); ok {
			return string(bytes.TrimLeft(line, "\t :"))
		}
	}
	return runtime.GOARCH
}

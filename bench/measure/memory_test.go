//go:build linux

package measure

import (
	"os"
	"testing"
)

func TestMemoryIsKnown(t *testing.T) {
	pss, err := PSS([]int{os.Getpid()})
	if err != nil || pss < 1<<20 {
		t.Errorf("PSS = %d, %v", pss, err)
	}
	if peak, err := Peak([]int{os.Getpid()}); err != nil || peak < pss {
		t.Errorf("Peak = %d, %v; PSS is %d", peak, err, pss)
	}
	if waits, err := timeWaits(); err != nil || waits < 0 {
		t.Errorf("TimeWaits = %d, %v", waits, err)
	}
	sockets, err := socketBuffers()
	if err != nil || sockets < 0 {
		t.Errorf("socketBuffers = %d, %v", sockets, err)
	}
	if os.Geteuid() != 0 {
		t.Skip("the kernel's memory is for root to see")
	}
	kernel, err := KernelMemory()
	if err != nil || kernel < 1<<20 {
		t.Errorf("KernelMemory = %d, %v", kernel, err)
	}
}

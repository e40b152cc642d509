package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"testing"
	"time"
)

// bigSize is enough to tell what grows with a body from what does not. POSTHOUSE_BIG is another one, in bytes.
func bigSize() int64 {
	if n, err := strconv.ParseInt(os.Getenv("POSTHOUSE_BIG"), 10, 64); err == nil {
		return n
	}
	return 256 << 20
}

// TestHTTPBigBodies sends and fetches a big body, with a length and in chunks, and looks at the memory meanwhile.
func TestHTTPBigBodies(t *testing.T) {
	if testing.Short() {
		t.Skip("moves a gigabyte")
	}
	size := bigSize()
	r := newHTTPRig(t, nil, newNode(t, func(c *net.TCPConn) { bulkNode(c, size) }))
	c := r.connect()
	c.SetDeadline(time.Now().Add(5 * time.Minute))
	zeros := make([]byte, 64<<10)
	for _, row := range []struct{ name, request string }{
		{"GET with a length", "GET /length"}, {"GET in chunks", "GET /chunks"}, {"PUT with a length", "PUT /length"}, {"PUT in chunks", "PUT /chunks"},
	} {
		most := watchHeap()
		began := time.Now()
		switch row.request {
		case "GET /length", "GET /chunks":
			c.say(row.request + " HTTP/1.1\r\n" + hostField + "\r\n")
		case "PUT /length":
			c.say(fmt.Sprintf("PUT / HTTP/1.1\r\n"+hostField+"Content-Length: %d\r\n\r\n", size))
			for left := size; left > 0; left -= int64(len(zeros)) {
				c.Write(zeros)
			}
		default:
			c.say("PUT / HTTP/1.1\r\n" + hostField + "Transfer-Encoding: chunked\r\n\r\n")
			for left := size; left > 0; left -= int64(len(zeros)) {
				fmt.Fprintf(c, "%x\r\n", len(zeros))
				c.Write(zeros)
				io.WriteString(c, "\r\n")
			}
			c.say("0\r\n\r\n")
		}
		res, err := http.ReadResponse(c.r, nil)
		if err != nil {
			t.Fatal(row.name, err)
		}
		n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{res.Body}, zeros)
		if err != nil || n != size && row.request[0] == 'G' {
			t.Errorf("%s: %d bytes, %v", row.name, n, err)
		}
		grown := most()
		t.Logf("%s: %d MiB in %v, heap at most %d KiB more", row.name, size>>20, time.Since(began).Round(time.Millisecond), grown>>10)
		if grown > 1<<20 && !racy {
			t.Errorf("%s: the heap grew by %d KiB", row.name, grown>>10)
		}
		clear(zeros)
	}
}

// bulkNode sends zeros, or takes whatever comes.
func bulkNode(c *net.TCPConn, size int64) {
	r := bufio.NewReaderSize(c, 64<<10)
	zeros := make([]byte, 64<<10)
	for {
		q, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{q.Body}, zeros)
		clear(zeros)
		switch {
		case q.Method == "PUT":
			io.WriteString(c, answered("taken"))
			continue
		case q.URL.Path == "/length":
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)
		default:
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		}
		for left := size; left > 0; left -= int64(len(zeros)) {
			if q.URL.Path == "/chunks" {
				fmt.Fprintf(c, "%x\r\n", len(zeros))
			}
			if _, err := c.Write(zeros); err != nil {
				return
			}
			if q.URL.Path == "/chunks" {
				io.WriteString(c, "\r\n")
			}
		}
		if q.URL.Path == "/chunks" {
			io.WriteString(c, "0\r\n\r\n")
		}
	}
}

// watchHeap looks at the live heap until it is asked by how many bytes it was larger than at first, at most.
func watchHeap() (most func() int64) {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}} // without what is garbage already
	live := func() int64 {
		runtime.GC()
		metrics.Read(sample)
		return int64(sample[0].Value.Uint64())
	}
	first := live()
	stop, done := make(chan bool), make(chan int64)
	go func() {
		largest := first
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				largest = max(largest, live())
			case <-stop:
				done <- largest - first
				return
			}
		}
	}()
	return func() int64 {
		close(stop)
		return <-done
	}
}

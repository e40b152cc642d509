package mailtest

import (
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// bodies counts the bytes of uploads and downloads, while they run.
type bodies struct{ received, sent atomic.Int64 }

// Received is how many bytes of JMAP uploads the node has read so far, of those that are under way too.
func (n *Node) Received() int64 { return n.bodies.received.Load() }

// Sent is how many bytes of JMAP downloads the node has written so far.
func (n *Node) Sent() int64 { return n.bodies.sent.Load() }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// BlobID is the id that an upload of these bytes gets: its size and its CRC-32C.
func BlobID(r io.Reader) (string, error) {
	sum := crc32.New(castagnoli)
	size, err := io.Copy(sum, r)
	return blobID(size, sum.Sum32()), err
}

func blobID(size int64, sum uint32) string { return fmt.Sprintf("b%d-%08x", size, sum) }

// upload counts a body and forgets it (RFC 8620, 6.1): memory does not grow with it.
func (n *Node) upload(w http.ResponseWriter, r *http.Request, a *account) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
		return
	}
	sum := crc32.New(castagnoli)
	size, err := copyCounting(sum, r.Body, &n.bodies.received)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	writeJSON(w, http.StatusCreated, object{
		"accountId": a.name, "blobId": blobID(size, sum.Sum32()), "type": r.Header.Get("Content-Type"), "size": size,
	})
}

// download sends the blob /jmap/download/<account>/b<size>.../<name>: the first size bytes of Pattern, whatever
// was uploaded.
func (n *Node) download(w http.ResponseWriter, r *http.Request, a *account) {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/jmap/download/"), "/")
	if len(parts) != 3 || parts[0] != a.name || !strings.HasPrefix(parts[1], "b") {
		http.NotFound(w, r)
		return
	}
	text, _, _ := strings.Cut(parts[1][1:], "-")
	size, err := strconv.ParseInt(text, 10, 64)
	if err != nil || size < 0 {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	if r.Method != http.MethodHead {
		copyCounting(w, Pattern(size), &n.bodies.sent)
	}
}

var copyBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// copyCounting is io.Copy with a count that others can watch, and never more than a buffer of memory.
func copyCounting(w io.Writer, r io.Reader, count *atomic.Int64) (size int64, err error) {
	buffer := copyBuffers.Get().(*[32 << 10]byte)
	defer copyBuffers.Put(buffer)
	for {
		n, err := r.Read(buffer[:])
		if n > 0 {
			if _, err := w.Write(buffer[:n]); err != nil {
				return size, err
			}
			size += int64(n)
			count.Add(int64(n))
		}
		if err == io.EOF {
			return size, nil
		}
		if err != nil {
			return size, err
		}
	}
}

// period is the length of the pattern: a prime, so that bytes that were lost or came twice show at any buffer size.
const period = 251

var pattern = func() (p [period * 128]byte) {
	for i := range p {
		p[i] = byte(i % period)
	}
	return p
}()

// Pattern reads size bytes that anybody can tell from their offset: 0 to 250, over and over.
func Pattern(size int64) io.Reader { return &patternReader{left: size} }

type patternReader struct {
	left  int64
	phase int
}

func (p *patternReader) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(int64(len(b)), p.left)], pattern[p.phase:])
	p.left -= int64(n)
	p.phase = (p.phase + n) % period
	return n, nil
}

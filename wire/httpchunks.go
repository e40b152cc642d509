package wire

// Chunks follows a chunked body (RFC 9112, 7.1) through its bytes, as they come in pieces of any size, and refuses what two
// parsers could end in two places: line ends other than CRLF, sizes that are not plain hexadecimal, white space, and fields in
// trailers that decide about framing or routing. The zero value is at the start of a body.
type Chunks struct {
	state  chunkState
	size   int64 // of the chunk, or what is left of it
	digits int
	line   int                    // bytes of this line, or of all trailers
	name   [maxForbidden + 1]byte // one more, so that no longer name is taken for one of them
	length int                    // of the trailer's name
}

type chunkState uint8

const (
	chunkSize      chunkState = iota
	chunkExtension            // behind the size
	chunkSizeEnd              // LF of the size line
	chunkData
	chunkDataCR
	chunkDataLF
	trailerStart
	trailerName
	trailerValue
	trailerLF
	trailersLF // of the last, empty line
	chunksDone
)

const (
	maxSizeDigits   = 15      // an int64 holds them; no chunk is longer than 2^60 bytes
	maxChunkLine    = 1 << 10 // extensions: nobody sends them, and a line costs more than the chunk that it is for
	maxTrailerBytes = 8 << 10
)

var errChunks = headError("bad chunked body")

// Next takes one run of bytes off b: n of them, either content of the body (data) or of its framing. Where b is not empty n
// is 0 only with an error or at the end.
func (c *Chunks) Next(b []byte) (n int, data bool, err error) {
	if c.state == chunkData {
		n = int(min(int64(len(b)), c.size))
		if c.size -= int64(n); c.size == 0 {
			c.state = chunkDataCR
		}
		return n, true, nil
	}
	for n < len(b) && c.state != chunkData && c.state != chunksDone {
		if !c.step(b[n]) {
			return n, false, errChunks
		}
		n++
	}
	return n, false, nil
}

// Done says that the body has ended: what follows is another message.
func (c *Chunks) Done() bool { return c.state == chunksDone }

// Between says that a chunk has ended and no other has begun.
func (c *Chunks) Between() bool { return c.state == chunkSize && c.digits == 0 }

// Left is how much of the present chunk's content is still to come.
func (c *Chunks) Left() int64 {
	if c.state != chunkData {
		return 0
	}
	return c.size
}

// step takes one byte of framing.
func (c *Chunks) step(b byte) bool {
	switch c.state {
	case chunkSize:
		return c.sizeByte(b)
	case chunkExtension:
		if b == '\r' {
			c.state = chunkSizeEnd
			return true
		}
		c.line++
		return c.line <= maxChunkLine && (b >= ' ' || b == '\t') && b != 0x7f
	case chunkSizeEnd:
		return b == '\n' && c.beginChunk()
	case chunkDataCR:
		c.state = chunkDataLF
		return b == '\r'
	case chunkDataLF:
		c.state = chunkSize
		return b == '\n'
	}
	return c.trailer(b)
}

func (c *Chunks) sizeByte(b byte) bool {
	if digit := unhex(b); digit >= 0 {
		c.size = c.size<<4 | int64(digit)
		c.digits++
		return c.digits <= maxSizeDigits
	}
	switch {
	case c.digits == 0:
		return false
	case b == ';':
		c.state = chunkExtension
	case b == '\r':
		c.state = chunkSizeEnd
	default:
		return false
	}
	return true
}

func (c *Chunks) beginChunk() bool {
	c.digits, c.line = 0, 0
	c.state = chunkData
	if c.size == 0 {
		c.state = trailerStart
	}
	return true
}

// trailer takes one byte of the trailers, which are field lines up to an empty one.
func (c *Chunks) trailer(b byte) bool {
	if c.line++; c.line > maxTrailerBytes {
		return false
	}
	switch c.state {
	case trailerStart:
		if b == '\r' {
			c.state = trailersLF
			return true
		}
		c.state, c.length = trailerName, 0
		return c.nameByte(b)
	case trailerName:
		if b == ':' {
			c.state = trailerValue
			return c.length > 0 && !c.forbidden()
		}
		return c.nameByte(b)
	case trailerValue:
		if b == '\r' {
			c.state = trailerLF
			return true
		}
		return (b >= ' ' || b == '\t') && b != 0x7f
	case trailerLF:
		c.state = trailerStart
		return b == '\n'
	case trailersLF:
		c.state = chunksDone
		return b == '\n'
	}
	return false
}

func (c *Chunks) nameByte(b byte) bool {
	if c.length < len(c.name) {
		c.name[c.length] = b
	}
	c.length++
	return tokenByte[b]
}

// maxForbidden is the length of the longest name that trailers must not have.
const maxForbidden = len("x-original-forwarded-for")

// forbiddenTrailers decide about framing, routing and whose request it is (RFC 9110, 6.5.1): a receiver that merges trailers
// into the head would read another message.
var forbiddenTrailers = [...]string{
	"transfer-encoding", "content-length", "host", "connection", "upgrade", "trailer", "te", "expect", "authorization", "cookie",
	"set-cookie", "content-type", "content-encoding", "content-range", "destination",
}

func (c *Chunks) forbidden() bool {
	name := c.name[:min(c.length, len(c.name))]
	for _, forbidden := range forbiddenTrailers {
		if EqualFold(name, forbidden) {
			return true
		}
	}
	return Pretends(name)
}

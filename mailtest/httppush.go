package mailtest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"golang.org/x/net/websocket"
)

// pushEvents is the event source (RFC 8620, 7.3): the state at once, then a ping every so many seconds, which may be
// fractions of one here, until the client or the node goes.
func (n *Node) pushEvents(w http.ResponseWriter, r *http.Request, a *account) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	stream := http.NewResponseController(w)
	fmt.Fprintf(w, "event: state\ndata: {\"@type\":\"StateChange\",\"changed\":{%q:{\"Mailbox\":\"0\"}}}\n\n", a.name)
	if stream.Flush() != nil || r.FormValue("closeafter") == "state" {
		return
	}
	var pings <-chan time.Time
	seconds, _ := strconv.ParseFloat(r.FormValue("ping"), 64)
	if every := time.Duration(seconds * float64(time.Second)); every > 0 {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		pings = ticker.C
	}
	for {
		select {
		case <-r.Context().Done():
			return
		case <-pings:
			fmt.Fprintf(w, "event: ping\ndata: {\"interval\":%s}\n\n", strconv.FormatFloat(seconds, 'g', -1, 64))
			if stream.Flush() != nil {
				return
			}
		}
	}
}

// maxFrame bounds a WebSocket message in bytes: it is held in memory.
const maxFrame = 1 << 20

// echoSocket says every message back, with the subprotocol of RFC 8887 if the client asks for it.
var echoSocket = websocket.Server{
	Handshake: func(config *websocket.Config, _ *http.Request) error {
		if slices.Contains(config.Protocol, "jmap") {
			config.Protocol = []string{"jmap"}
		} else {
			config.Protocol = nil
		}
		return nil
	},
	Handler: func(ws *websocket.Conn) {
		ws.MaxPayloadBytes = maxFrame
		var f frame
		for frames.Receive(ws, &f) == nil && frames.Send(ws, f) == nil {
		}
	},
}

// frame is a message with its type, text or binary.
type frame struct {
	kind byte
	data []byte
}

var frames = websocket.Codec{
	Marshal: func(v any) ([]byte, byte, error) { f := v.(frame); return f.data, f.kind, nil },
	Unmarshal: func(data []byte, kind byte, v any) error {
		*v.(*frame) = frame{kind, data}
		return nil
	},
}

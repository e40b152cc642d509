package mailtest

import (
	"encoding/json"
	"net/http"
	"strings"
)

const (
	jmapCore      = "urn:ietf:params:jmap:core"
	jmapMail      = "urn:ietf:params:jmap:mail"
	jmapWebSocket = "urn:ietf:params:jmap:websocket"
)

// maxJMAPRequest bounds a request for the API in bytes; it is held in memory.
const maxJMAPRequest = 1 << 20

// serveJMAP is as much of JMAP (RFC 8620) as shows an account: the session, Core/echo and Mailbox/get, bodies up and
// down, the event source and a WebSocket that echoes.
func (n *Node) serveJMAP(w http.ResponseWriter, r *http.Request) {
	a := n.authorised(w, r)
	if a == nil {
		return
	}
	path := r.URL.Path
	switch {
	case path == "/.well-known/jmap", path == "/jmap/session":
		writeJSON(w, http.StatusOK, jmapSession(a, base(r)))
	case path == "/jmap", path == "/jmap/":
		a.callJMAP(w, r)
	case strings.HasPrefix(path, "/jmap/upload/"):
		n.upload(w, r, a)
	case strings.HasPrefix(path, "/jmap/download/"):
		n.download(w, r, a)
	case path == "/jmap/eventsource", path == "/jmap/eventsource/":
		n.pushEvents(w, r, a)
	case path == "/jmap/ws":
		echoSocket.ServeHTTP(w, r)
	default:
		http.NotFound(w, r)
	}
}

type object = map[string]any

// jmapSession is the session resource (RFC 8620, 2); its state never changes.
func jmapSession(a *account, base string) object {
	return object{
		"capabilities": object{
			jmapCore: object{
				"maxSizeUpload": int64(1 << 40), "maxConcurrentUpload": 4, "maxSizeRequest": maxJMAPRequest, "maxConcurrentRequests": 4,
				"maxCallsInRequest": 64, "maxObjectsInGet": 500, "maxObjectsInSet": 500, "collationAlgorithms": []string{},
			},
			jmapMail:      object{},
			jmapWebSocket: object{"url": strings.Replace(base, "http", "ws", 1) + "/jmap/ws", "supportsPush": false},
		},
		"accounts": object{a.name: object{
			"name": a.name, "isPersonal": true, "isReadOnly": true,
			"accountCapabilities": object{jmapCore: object{}, jmapMail: object{}},
		}},
		"primaryAccounts": object{jmapCore: a.name, jmapMail: a.name},
		"username":        a.name,
		"apiUrl":          base + "/jmap/",
		"uploadUrl":       base + "/jmap/upload/{accountId}/",
		"downloadUrl":     base + "/jmap/download/{accountId}/{blobId}/{name}?accept={type}",
		"eventSourceUrl":  base + "/jmap/eventsource/?types={types}&closeafter={closeafter}&ping={ping}",
		"state":           "0",
	}
}

// callJMAP answers a request with its method calls (RFC 8620, 3.3).
func (a *account) callJMAP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
		return
	}
	var request struct {
		MethodCalls [][3]json.RawMessage `json:"methodCalls"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxJMAPRequest)).Decode(&request); err != nil {
		w.Header().Set("Content-Type", "application/problem+json")
		writeJSON(w, http.StatusBadRequest, object{"type": "urn:ietf:params:jmap:error:notRequest", "status": 400, "detail": err.Error()})
		return
	}
	responses := [][3]any{}
	for _, call := range request.MethodCalls {
		responses = append(responses, a.callMethod(call))
	}
	writeJSON(w, http.StatusOK, object{"methodResponses": responses, "sessionState": "0"})
}

func (a *account) callMethod(call [3]json.RawMessage) [3]any {
	var method string
	var arguments struct {
		AccountID string `json:"accountId"`
	}
	json.Unmarshal(call[0], &method)
	json.Unmarshal(call[1], &arguments)
	switch {
	case method == "Core/echo":
		return [3]any{method, call[1], call[2]}
	case method != "Mailbox/get":
		return [3]any{"error", object{"type": "unknownMethod"}, call[2]}
	case arguments.AccountID != a.name:
		return [3]any{"error", object{"type": "accountNotFound"}, call[2]}
	}
	count := len(a.maildrop())
	return [3]any{method, object{"accountId": a.name, "state": "0", "notFound": []string{}, "list": []object{{
		"id": "inbox", "name": "INBOX", "role": "inbox", "parentId": nil, "sortOrder": 0, "isSubscribed": true,
		"totalEmails": count, "unreadEmails": count, "totalThreads": count, "unreadThreads": count,
	}}}, call[2]}
}

// writeJSON answers; a content type that is set already stays.
func writeJSON(w http.ResponseWriter, status int, v any) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

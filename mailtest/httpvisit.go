package mailtest

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// visitRequests is what a visit asks for, by service: what tells the node and costs little.
var visitRequests = map[string]string{
	"jmap":   "GET /.well-known/jmap",
	"webdav": "OPTIONS /dav/",
	"http":   "GET /api/seen",
}

// request is what a visit of HTTP says: at its begin and, with other header lines, at its end.
func (v *Visit) request(header ...string) error {
	host := v.Conn.RemoteAddr().String()
	if v.who.TLS != nil && v.who.TLS.ServerName != "" {
		host = v.who.TLS.ServerName
	}
	request := visitRequests[strings.TrimSuffix(v.Service, plainSuffix)]
	header = append(header, "Host: "+host)
	if v.who.Name != "" {
		header = append(header, "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte(v.who.Name+":"+v.who.Password)))
	}
	if err := v.Send(request + " HTTP/1.1\r\n" + strings.Join(header, "\r\n") + "\r\n"); err != nil {
		return err
	}
	v.Conn.SetReadDeadline(v.deadline())
	method, _, _ := strings.Cut(request, " ")
	response, err := http.ReadResponse(v.r, &http.Request{Method: method})
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	v.Node = response.Header.Get(NodeHeader)
	if v.Node == "" || response.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("answered with %s by node %q", response.Status, v.Node)
	}
	return nil
}

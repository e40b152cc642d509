package mailtest

import (
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/netip"

	proxyv2 "github.com/pires/go-proxyproto"
	"github.com/pires/go-proxyproto/tlvparse"
)

// Request is an HTTP request as the node saw it: what any path that ends in /api/seen answers, as JSON.
type Request struct {
	Node       string         `json:"node"`
	Service    string         `json:"service"`    // by path: jmap, webdav or http
	Connection int64          `json:"connection"` // its number, for seeing which requests share one
	Method     string         `json:"method"`
	Target     string         `json:"target"` // as it came
	Proto      string         `json:"proto"`
	Host       string         `json:"host"`
	Header     http.Header    `json:"header"`
	Client     netip.AddrPort `json:"client"` // what the PROXY header says, or the peer where there is none
	Peer       netip.AddrPort `json:"peer"`
	TLS        *RequestTLS    `json:"tls,omitempty"`   // nil: none between the peer and the node
	Proxy      *RequestProxy  `json:"proxy,omitempty"` // nil: no PROXY header of version 2
}

// RequestTLS is the TLS that a request came by.
type RequestTLS struct {
	Version    string `json:"version"` // TLS 1.3
	ServerName string `json:"server_name"`
	ALPN       string `json:"alpn"`
}

// RequestProxy is what a PROXY header of version 2 said besides addresses.
type RequestProxy struct {
	Local    bool   `json:"local"`
	UniqueID string `json:"unique_id"` // hexadecimal
	SNI      string `json:"sni"`
	ALPN     string `json:"alpn"`
	TLS      string `json:"tls"` // version that the client speaks; "" = none
}

func (c *httpConn) show(w http.ResponseWriter, r *http.Request) {
	seen := Request{
		Node: c.node.Name, Service: serviceOf(r.URL.Path), Connection: c.number,
		Method: r.Method, Target: r.RequestURI, Proto: r.Proto, Host: r.Host, Header: r.Header,
		Client: c.client(), TLS: seenTLS(r.TLS), Proxy: seenProxy(c.header),
	}
	seen.Peer, _ = netip.ParseAddrPort(c.raw.RemoteAddr().String())
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(seen)
}

func seenTLS(s *tls.ConnectionState) *RequestTLS {
	if s == nil {
		return nil
	}
	return &RequestTLS{Version: tls.VersionName(s.Version), ServerName: s.ServerName, ALPN: s.NegotiatedProtocol}
}

func seenProxy(header *proxyv2.Header) *RequestProxy {
	if header == nil {
		return nil
	}
	tlvs, err := header.TLVs()
	if err != nil {
		return &RequestProxy{Local: header.Command.IsLocal()}
	}
	seen := &RequestProxy{Local: header.Command.IsLocal()}
	for _, tlv := range tlvs {
		switch tlv.Type {
		case proxyv2.PP2_TYPE_UNIQUE_ID:
			seen.UniqueID = hex.EncodeToString(tlv.Value)
		case proxyv2.PP2_TYPE_AUTHORITY:
			seen.SNI = string(tlv.Value)
		case proxyv2.PP2_TYPE_ALPN:
			seen.ALPN = string(tlv.Value)
		}
	}
	if ssl, ok := tlvparse.FindSSL(tlvs); ok {
		seen.TLS, _ = ssl.SSLVersion()
	}
	return seen
}

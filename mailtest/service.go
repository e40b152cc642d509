package mailtest

import "net"

// service is how a node serves one of the built-in mail services.
type service struct {
	protocol    string
	implicitTLS bool
	serve       func(n *Node, c net.Conn) // takes the connection over, TLS done, and closes it at the end; may return earlier
}

var services = map[string]service{
	"smtp":        {protocol: "smtp", serve: smtpServer{}.serve},
	"submission":  {protocol: "smtp", serve: smtpServer{submission: true}.serve},
	"submissions": {protocol: "smtp", serve: smtpServer{submission: true}.serve, implicitTLS: true},
	"lmtp":        {protocol: "lmtp", serve: smtpServer{lmtp: true}.serve},
	"imap":        {protocol: "imap", serve: serveIMAP},
	"imaps":       {protocol: "imap", serve: serveIMAP, implicitTLS: true},
	"pop3":        {protocol: "pop3", serve: servePOP3},
	"pop3s":       {protocol: "pop3", serve: servePOP3, implicitTLS: true},
	"sieve":       {protocol: "sieve", serve: serveSieve},

	"jmap":         {protocol: "http", serve: serveHTTP, implicitTLS: true},
	"webdav":       {protocol: "http", serve: serveHTTP, implicitTLS: true},
	"http":         {protocol: "http", serve: serveHTTP, implicitTLS: true},
	"jmap-plain":   {protocol: "http", serve: serveHTTP},
	"webdav-plain": {protocol: "http", serve: serveHTTP},
	"http-plain":   {protocol: "http", serve: serveHTTP},
}

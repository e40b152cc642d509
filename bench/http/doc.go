//go:build linux

// Command http measures what HTTP costs Posthouse beside nginx and HAProxy: CPU time a request, a gigabyte and a connection, and
// memory an idle stream of events.
//
//	go run ./bench/http [-rounds 5] [-only REGEXP] [-time D] [-quick] [-profile FILE] [-posthouse BINARY]
//
// All three run on a core of their own, in front of the same nodes, with the same features; their configurations are beside this
// file. Nodes and load are this program's, on raw sockets, on another core (node, client). They check every byte: of
// requests at the node, with the forwarded headers, and of responses at the client. The servers take turns row by row and round
// by round, and the table has the medians. The exit code is 0 whatever the figures are, and 1 only where something does not
// work.
package main

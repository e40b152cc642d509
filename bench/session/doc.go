//go:build linux

// Command session measures what a session of a mail client costs Posthouse beside nginx (stream) and HAProxy from Debian, and what it
// costs without the loops of proxy/relay (the build tag plainrelay, column "plain"):
//
//	go run ./bench/session [-rounds N] [-time D] [-only REGEXP] [-quick] [-profile FILE] [-posthouse BINARY]
//
// Each server has one core, all load and the nodes have another one. The servers take turns in every round. The figures are the
// CPU time of the server's threads as the scheduler counts it, and memory; the table has their medians and their ratio to the better
// peer. What is lost is printed, and is no failure. -profile lets perf watch Posthouse under the first row that -only leaves.
//
// Every byte is checked at both ends. A session opens with a line of 64 bytes (command), which says what the node is to do: answer
// with a line, send bytes by write or from a file, or take bytes. The PROXY header must be the client's. For bulk the cost is of a
// gigabyte (1e9 bytes) as it comes.
//
// The memory of idle sessions is of a server that has done nothing else: what its processes hold (PSS) more than before, and with
// the kernel's slabs, stacks, page tables and socket buffers (/proc/meminfo, /proc/net/sockstat), of which those are subtracted that
// the same sessions need without a server.
package main

// Package raw is what the load tools of the benchmarks drive their sockets with: descriptors without Go's poller on one thread
// (Loop), plain (Socket) or with TLS and no goroutine (Secure), from many loopback addresses (Source), and the listener of the
// nodes (Listen). Linux only.
package raw

//go:build linux

// Command dns measures what an answer of DNS costs Posthouse beside gdnsd, Knot with mod-geoip and PowerDNS with the geoip backend: CPU time
// a query, memory with a database of cities, and the time from the start to the first answer; and how late the latest answers of a hundred come at an even
// pace, while nothing happens and while the topology is reloaded or health changes each second.
//
//	go run ./bench/dns [-rounds 5] [-only REGEXP] [-quick] [-city] [-profile FILE]
//
// All of them run on a core of their own, with one thread for UDP, the same zone and the same database; their configurations are
// beside this file. The load is this program's, on raw sockets, on another core; it checks every answer. A server in C that sends back
// what it gets (ceiling/echo.c) is the ceiling: no name server can cost less. The databases, of countries and
// of cities, come from npm when the benchmark runs (database.go); without them, or without npm, everybody answers for one region. The exit code is 0 whatever the figures are, and 1 only where
// something does not work.
package main

//go:build !linux

package geodns

import (
	"errors"
	"net"
	"net/netip"
	"time"
)

const maxAsked = 2048 // the largest question read; what is longer is not a question

// udpSocket is the plain form for systems without recvmmsg: one socket an address, a packet a call. On an address for every
// interface its answers come from where the system's routes lead.
type udpSocket struct{ conn *net.UDPConn }

func bindUDP(a netip.AddrPort, _ int) ([]*udpSocket, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(a))
	if err != nil {
		return nil, err
	}
	return []*udpSocket{{conn}}, nil
}

func closeAll(sockets []*udpSocket) {
	for _, s := range sockets {
		s.conn.Close()
	}
}

// end lets serve return.
func (s *udpSocket) end() { s.conn.Close() }

func (s *udpSocket) close() { s.conn.Close() }

// serve answers until the socket is ended.
func (s *udpSocket) serve(w *worker) error {
	question, answer := make([]byte, maxAsked), make([]byte, udpSize)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(question)
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			time.Sleep(acceptPause)
			continue
		}
		w.begin()
		if n := w.answerUDP(question[:n], from.Addr().Unmap().WithZone(""), answer); n > 0 {
			s.conn.WriteToUDPAddrPort(answer[:n], from)
		}
		w.end()
	}
}

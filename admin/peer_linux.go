package admin

import "golang.org/x/sys/unix"

// peerUID is the user at the other end of a unix socket, as it was when that connected (unix(7)).
func peerUID(fd int) (uint32, error) {
	peer, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0, err
	}
	return peer.Uid, nil
}

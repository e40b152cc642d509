//go:build darwin || freebsd

package admin

import "golang.org/x/sys/unix"

// peerUID is the effective user at the other end of a unix socket, as it was when that connected (unix(4)).
func peerUID(fd int) (uint32, error) {
	peer, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return 0, err
	}
	return peer.Uid, nil
}

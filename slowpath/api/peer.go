package api

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"golang.org/x/sys/unix"
)

// peerKey finds in a request's context who is at the other end of its Unix socket.
type peerKey struct{}

// withPeer notes the user at the other end of a Unix socket.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return ctx
	}
	var cred *unix.Ucred
	if err := raw.Control(func(fd uintptr) { cred, _ = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil || cred == nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, fmt.Sprintf("uid %d", cred.Uid))
}

// peer is who made a request: a user of this machine, or the name in a client's certificate.
func peer(r *http.Request) string {
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		c := r.TLS.PeerCertificates[0]
		if c.Subject.CommonName != "" {
			return c.Subject.CommonName
		}
		return "certificate " + c.SerialNumber.Text(16)
	}
	by, _ := r.Context().Value(peerKey{}).(string)
	return by
}

// Package api lets every other weir command, or any HTTP client, talk to a running daemon: HTTP with JSON over a Unix
// socket, which whoever may open it may use for everything, and over TCP with TLS for clients that show a certificate.
//
// docs/api/openapi.yaml describes every path, answer and error, and a test holds the server to it; docs/api/README.md is
// for people.
package api

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"

	"github.com/weirlb/weir/slowpath/view"
)

const (
	maxBody        = 4 << 10 // bytes of a request
	maxHeader      = 16 << 10
	maxConnections = 256              // by TCP: whoever may open the socket has other means
	readTimeout    = 5 * time.Second  // of a whole request, a TLS handshake included
	answerTimeout  = 60 * time.Second // from the request to the end of the answer; a reload waits for the workers
	idleTimeout    = 60 * time.Second // of a connection between two requests
	closingTimeout = 5 * time.Second  // how long Close waits for answers under way
)

// Options make a server. At least one of Socket and Listen is given.
type Options struct {
	Socket string // path of a Unix socket, which its owner and group may open
	Listen string // host:port
	Credentials
}

// Credentials are what a server shows by TCP, and whose clients it answers there.
type Credentials struct {
	Certificate tls.Certificate
	Clients     *x509.CertPool
}

// Server answers on the socket and by TCP.
type Server struct {
	http   *http.Server
	socket *socket      // nil: none
	tcp    net.Listener // nil: none
	tls    atomic.Pointer[tls.Config]
	served sync.WaitGroup // the accepting goroutines
	close  sync.Once
	err    error // of Close
}

// Serve listens and answers until Close. What a dead process left at the socket's path is replaced; a live one's socket,
// or anything else, is an error.
func Serve(o Options, src view.Source, ctl Controller) (*Server, error) {
	s := &Server{http: &http.Server{
		Handler:        newHandler(src, ctl),
		ReadTimeout:    readTimeout,
		WriteTimeout:   answerTimeout,
		IdleTimeout:    idleTimeout,
		MaxHeaderBytes: maxHeader,
		ConnContext:    withPeer,
		// A peer that HTTP/2 lets send many requests on one connection is one more thing to bound.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
		ErrorLog:     slog.NewLogLogger(&complaints{}, slog.LevelWarn),
	}}
	if o.Socket != "" {
		sock, err := listen(o.Socket)
		if err != nil {
			return nil, fmt.Errorf("api.socket %s: %w", o.Socket, err)
		}
		s.socket = sock
	}
	if o.Listen != "" {
		s.Renew(o.Credentials)
		if err := s.listenTCP(o.Listen); err != nil {
			if s.socket != nil {
				err = errors.Join(err, s.socket.listener.Close(), s.socket.remove())
			}
			return nil, err
		}
	}
	if s.socket != nil {
		s.serve(s.socket.listener)
	}
	if s.tcp != nil {
		s.serve(s.tcp)
	}
	return s, nil
}

func (s *Server) listenTCP(address string) error {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", address)
	if err != nil {
		return fmt.Errorf("api.listen %s: %w", address, err)
	}
	s.tcp = tls.NewListener(netutil.LimitListener(l, maxConnections), &tls.Config{
		MinVersion:         tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.tls.Load(), nil },
	})
	return nil
}

// Renew makes new connections by TCP use other credentials.
func (s *Server) Renew(c Credentials) {
	s.tls.Store(&tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{c.Certificate},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    c.Clients,
		NextProtos:   []string{"http/1.1"},
		// Every connection shows its certificate, and is judged by today's authorities.
		SessionTicketsDisabled: true,
	})
}

// Address is where it listens by TCP; nil if it does not.
func (s *Server) Address() net.Addr {
	if s.tcp == nil {
		return nil
	}
	return s.tcp.Addr()
}

func (s *Server) serve(l net.Listener) {
	s.served.Go(func() {
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			slog.Error("the API has stopped", "address", l.Addr().String(), "error", err)
		}
	})
}

// Close stops answering and removes the socket. It gives answers under way a few seconds to end.
func (s *Server) Close() error {
	s.close.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), closingTimeout)
		defer cancel()
		var removed error
		if s.socket != nil {
			removed = s.socket.remove()
		}
		ended := s.http.Shutdown(ctx)
		if errors.Is(ended, context.DeadlineExceeded) {
			ended = nil // whoever is still connected is cut off
		}
		s.err = errors.Join(ended, s.http.Close(), removed)
		s.served.Wait()
	})
	return s.err
}

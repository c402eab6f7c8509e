// Package api lets weir show, weir backend and weir reload, or any HTTP client, talk to a running daemon:
// HTTP with JSON over a Unix socket. Who may open the socket may do everything; there is no TLS and no TCP.
//
//	GET  /v1/services|backends|workers|ports|neighbors|drops   arrays of the structures of package view
//	GET  /v1/connections?service=NAME&limit=N                  the same; at most 1000 unless limit says otherwise (0: all)
//	GET  /v1/daemon                                            one view.Daemon
//	POST /v1/reload                                            applies the configuration file again
//	PUT  /v1/backends/SERVICE/ADDRESS:PORT {"weight":N}        until the next reload
//	POST /v1/backends/SERVICE/ADDRESS:PORT/drain               the same as weight 0
//	GET  /v1/capture?service=NAME&…                            pcapng until the capture ends; see capture.go
//	DELETE /v1/captures/NUMBER                                 ends it
//
// What changes something answers {"changes": ["sentence", …]}, every failure {"error": "sentence"}: 400 for
// a request that makes no sense, 404 for what is not there, 405 for a wrong method, 422 for what the
// daemon refuses.
package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/weirlb/weir/slowpath/view"
)

// Controller changes the running daemon. Its methods are called from several goroutines at a time.
type Controller interface {
	// Reload applies the configuration file again and returns what changed, a sentence each. After an error,
	// nothing has changed.
	Reload() (changes []string, err error)
	// SetWeight changes a backend's weight, 0 (take no new connections) to 65535.
	SetWeight(service string, backend netip.AddrPort, weight int) error
	// Capture begins a capture, which runs until its Run returns.
	Capture(view.CaptureRequest) (Capture, error)
	// EndCapture makes the capture of that number come to its end.
	EndCapture(id int) error
}

const (
	maxBody        = 4 << 10 // bytes of a request
	maxHeader      = 16 << 10
	readTimeout    = 5 * time.Second  // of a whole request: the peer is on this machine
	answerTimeout  = 60 * time.Second // from the request to the end of the answer; a reload waits for the workers
	closingTimeout = 5 * time.Second  // how long Close waits for answers under way
)

// Server answers on the socket.
type Server struct {
	http   *http.Server
	socket *socket
	served chan struct{} // closed when the accepting goroutine has ended
	close  sync.Once
	err    error // of Close
}

// Serve listens on a new Unix socket at path, which its owner and group may open, and answers there until
// Close. What a dead process left at path is replaced; a live one's socket, or anything else, is an error.
func Serve(path string, src view.Source, ctl Controller) (*Server, error) {
	sock, err := listen(path)
	if err != nil {
		return nil, fmt.Errorf("api.socket %s: %w", path, err)
	}
	s := &Server{
		http: &http.Server{
			Handler:        newHandler(src, ctl),
			ReadTimeout:    readTimeout,
			WriteTimeout:   answerTimeout,
			MaxHeaderBytes: maxHeader,
			ErrorLog:       slog.NewLogLogger(slog.Default().Handler(), slog.LevelWarn),
		},
		socket: sock,
		served: make(chan struct{}),
	}
	go func(l net.Listener) {
		defer close(s.served)
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			slog.Error("the API has stopped", "socket", path, "error", err)
		}
	}(sock.listener)
	return s, nil
}

// Close stops answering and removes the socket. It gives answers under way a few seconds to end.
func (s *Server) Close() error {
	s.close.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), closingTimeout)
		defer cancel()
		removed := s.socket.remove()
		ended := s.http.Shutdown(ctx)
		if errors.Is(ended, context.DeadlineExceeded) {
			ended = nil // whoever is still connected is cut off
		}
		s.err = errors.Join(ended, s.http.Close(), removed)
		<-s.served
	})
	return s.err
}

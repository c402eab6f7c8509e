// Package metrics gives Prometheus the figures that weir show prints, read from the same source at every
// scrape. Single connections and the words of health checks are not among them: their number has no
// bound.
//
// Not supported: TLS, authentication, pushing. Bind it to an address that only the monitoring reaches.
package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/weirlb/weir/slowpath/view"
)

const (
	maxScrapes     = 4 // at a time; more are answered with 503
	readTimeout    = 5 * time.Second
	answerTimeout  = 30 * time.Second
	idleTimeout    = 2 * time.Minute // longer than the usual scrape interval
	closingTimeout = 2 * time.Second
)

// Server answers scrapes.
type Server struct {
	http   *http.Server
	addr   net.Addr
	served chan struct{}
	close  sync.Once
	err    error // of Close
}

// Serve answers GET /metrics and GET /healthz on the TCP address listen ("127.0.0.1:9480", port 0 for any)
// until Close. /healthz is 200 as long as the process answers at all. What goes wrong in a scrape is
// logged; the rest of the scrape is answered.
func Serve(listen string, src view.Source, limits Limits, log *slog.Logger) (*Server, error) {
	l, err := net.Listen("tcp", listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("metrics.listen %s: another program listens there: choose another address or port", listen)
	}
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		return nil, fmt.Errorf("metrics.listen %s: no interface of this machine has that address: choose another, or give no address for all", listen)
	}
	if err != nil {
		return nil, fmt.Errorf("metrics.listen %s: %w", listen, err)
	}
	errorLog := slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	s := &Server{
		http: &http.Server{
			Handler:      newHandler(src, limits, errorLog),
			ReadTimeout:  readTimeout,
			WriteTimeout: answerTimeout,
			IdleTimeout:  idleTimeout,
			ErrorLog:     errorLog,
		},
		addr:   l.Addr(),
		served: make(chan struct{}),
	}
	go func() {
		defer close(s.served)
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics are no longer served", "listen", listen, "error", err)
		}
	}()
	return s, nil
}

// Addr is the address listened on.
func (s *Server) Addr() net.Addr { return s.addr }

// Close stops answering. It gives scrapes under way a moment to end.
func (s *Server) Close() error {
	s.close.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), closingTimeout)
		defer cancel()
		ended := s.http.Shutdown(ctx)
		if errors.Is(ended, context.DeadlineExceeded) {
			ended = nil // whoever is still connected is cut off
		}
		s.err = errors.Join(ended, s.http.Close())
		<-s.served
	})
	return s.err
}

func newHandler(src view.Source, limits Limits, errorLog promhttp.Logger) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		NewCollector(src, limits),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog:            errorLog,
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes,
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n")
	})
	return mux
}

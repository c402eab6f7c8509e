package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/slowpath/api"
	"github.com/weirlb/weir/slowpath/view"
)

func captureCommand() *cobra.Command {
	var t target
	var out, size string
	var duration time.Duration
	var r view.CaptureRequest
	cmd := &cobra.Command{
		Use:   "capture -w FILE",
		Short: "Write packets of the running daemon, before and after, to a pcapng file",
		Long: `Write packets of the running daemon to a pcapng file: each as it came and as it left, with the worker and what
became of it as a comment, until a bound is reached or Ctrl-C. A packet must fit all of --service, --backend,
--client, --reason and --filter; the filter is an expression in tcpdump's language, and looks at a packet as it came
and as it left. The summary goes to standard error.`,
		Args: takes(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if r.MaxSize, err = parseSize(size); err != nil {
				return err
			}
			if r.Rate < 0 || r.Snap < 0 || duration < 0 {
				return errors.New("--rate, --snaplen and --duration are 0 (any) or more")
			}
			r.Seconds = duration.Seconds()
			return capturePackets(cmd, &t, out, r)
		},
	}
	targetFlags(cmd, &t)
	f := cmd.Flags()
	f.StringVarP(&out, "write", "w", "", "write to `FILE`; - is standard output")
	f.StringVar(&r.Service, "service", "", "only packets of the service `NAME`")
	f.StringVar(&r.Backend, "backend", "", "only packets of connections to the backend `ADDRESS[:PORT]`")
	f.StringVar(&r.Client, "client", "", "only packets of clients at `ADDRESS[/BITS]`")
	f.StringSliceVar(&r.Reasons, "reason", nil,
		"only packets with a reason, one of `NAMES` as in weir show drops, with commas; dropped, punted, answered: any of a kind")
	f.StringVar(&r.Filter, "filter", "", "only packets that fit `EXPR`, such as 'tcp port 80 and host 198.51.100.7'")
	f.Uint64Var(&r.Count, "count", 0, "end after `N` packets")
	f.DurationVar(&duration, "duration", 0, "end after `TIME`, such as 30s")
	f.StringVar(&size, "max-size", "1G", "end before the file is larger than `BYTES`, with K, M or G; 0: any size")
	f.IntVar(&r.Rate, "rate", api.DefaultRate, "at most `N` packets a second; 0: any number")
	f.IntVar(&r.Snap, "snaplen", 0, "at most `N` bytes of each frame; 0: all")
	_ = cmd.MarkFlagRequired("write") // fails only for a flag that does not exist
	return cmd
}

func capturePackets(cmd *cobra.Command, t *target, path string, r view.CaptureRequest) error {
	c, err := t.client()
	if err != nil {
		return err
	}
	// The first signal ends the capture in order, another one the command.
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer context.AfterFunc(ctx, stop)()
	var file io.WriteCloser
	summary, err := c.Capture(ctx, r, func() (io.Writer, error) {
		var err error
		file, err = captureFile(path)
		return file, err
	})
	if file != nil {
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "captured %s as %s, %s; filtered %d, above --rate %d, lost %s; %s\n",
		conf.Counted(summary.Packets, "packet"), conf.Counted(summary.Frames, "frame"), conf.Counted(summary.Bytes, "byte"),
		summary.Filtered, summary.AboveRate, conf.Counted(summary.Lost, "frame"), summary.Ended)
	return nil
}

// captureFile opens what a capture is written to. It is not created before the daemon has agreed to the capture.
func captureFile(path string) (io.WriteCloser, error) {
	if path != "-" {
		f, err := os.Create(path)
		if err != nil {
			return nil, fmt.Errorf("creating the capture: %w", err)
		}
		return f, nil
	}
	if _, err := unix.IoctlGetTermios(int(os.Stdout.Fd()), unix.TCGETS); err == nil {
		return nil, errors.New("standard output is a terminal: pipe it, such as into tshark -r -, or write to a file")
	}
	return os.Stdout, nil
}

// parseSize reads a number of bytes.
func parseSize(text string) (int64, error) {
	digits, unit := text, int64(1)
	for i, suffix := range []string{"K", "M", "G"} {
		if cut, ok := strings.CutSuffix(strings.ToUpper(text), suffix); ok {
			digits, unit = cut, 1<<(10*(i+1))
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > 1<<50/unit {
		return 0, fmt.Errorf("--max-size must be a number of bytes such as 500M, is %q", text)
	}
	return n * unit, nil
}

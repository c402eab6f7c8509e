package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/slowpath/daemon"
	"github.com/weirlb/weir/slowpath/logging"
)

func runCommand() *cobra.Command {
	var file, format, level string
	cmd := &cobra.Command{
		Use:   "run -c FILE",
		Short: "Run the load balancer in the foreground",
		Long: `Run the load balancer in the foreground until SIGTERM or SIGINT. SIGHUP applies the file again, as does
"weir reload".`,
		Args: takes(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, flush, err := logging.New(os.Stderr, format, level)
			if err != nil {
				return err
			}
			defer flush()
			slog.SetDefault(log)
			cfg, err := loadForThisMachine(file)
			if err != nil {
				return err
			}
			return run(cfg, log)
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&format, "log", "text", "`form` of the log: text or json")
	cmd.Flags().StringVar(&level, "log-level", "info", "lowest `level` of what is logged: debug, info, warn or error")
	return cmd
}

// run is where the signals that end the daemon are asked for: every other command ends at once by them, whatever it waits
// for.
func run(cfg *conf.Config, log *slog.Logger) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// Every worker keeps a processor of the Go scheduler to itself; the slow path gets as many as there are other cores.
	// More would let its threads take turns on a core, and the world, once stopped, stay so until their turn comes:
	// measured as gaps of 4 to 14 ms in a worker's polling instead of 1 to 4.
	workers := max(1, len(cfg.Dataplane.Cores))
	runtime.GOMAXPROCS(max(runtime.NumCPU(), workers+1))
	go keepGarbage(ctx)
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	return daemon.Run(ctx, daemon.Options{
		Config: cfg, Hardware: &hardware{log: log}, Version: version, Log: log,
		Reload: reload,
	})
}

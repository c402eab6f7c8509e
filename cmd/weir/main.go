// Command weir is the load balancer: the daemon and the tools around it. This package holds flags and wiring
// only.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirlb/weir/slowpath/api"
)

// version is set by the linker.
var version = "devel"

// errReported is what a command returns that has told the user already.
var errReported = errors.New("reported")

func main() {
	err := newCommand().Execute()
	if err == nil {
		return
	}
	var refused api.Refusal
	switch {
	case errors.Is(err, errReported), errors.As(err, new(exitError)):
	case errors.As(err, &refused) && refused.Invalid():
		fmt.Fprintln(os.Stderr, refused.Text) // as weir check prints it
	default:
		fmt.Fprintln(os.Stderr, "weir:", strings.ReplaceAll(err.Error(), "\n", "\nweir: "))
	}
	os.Exit(exitStatus(err))
}

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "weir",
		Short: "A layer-4 load balancer at the speed of the NIC",
		Long: `Weir does what Linux Virtual Server does (VS/NAT, VS/TUN, VS/DR), and FULLNAT, in user space, with DPDK, on cores
of its own. One YAML file configures it; see conf/examples. weir import makes one of keepalived's or ipvsadm's.`,
		Version:           version,
		SilenceUsage:      true,
		SilenceErrors:     true,
		PersistentPreRunE: given,
	}
	root.SetVersionTemplate(versionLine())
	root.SetFlagErrorFunc(flagError)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(runCommand(), checkCommand(), preflightCommand(), showCommand(), watchCommand(), backendCommand(), reloadCommand(), configCommand(),
		explainCommand(), captureCommand(), replayCommand(), importCommand(), versionCommand())
	return root
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  takes(0),
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprint(cmd.OutOrStdout(), versionLine())
		},
	}
}

func versionLine() string { return fmt.Sprintf("weir %s (%s)\n", version, dpdkVersion()) }

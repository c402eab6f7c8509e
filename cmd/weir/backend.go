package main

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirlb/weir/slowpath/api"
)

func backendCommand() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use:   "backend",
		Short: "Change a backend of the running daemon, until the next reload",
		Long: `Change a backend of the running daemon. weir show backends marks what was changed so; weir config save writes it to the
file, the next weir reload undoes it unless --keep-runtime is given. The port may be left out where the service has only one
backend with the address, and for a new one in tun and dr, where it is the service's.`,
		// Without these cobra takes a misspelt command for a question about the others, and for a success.
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	targetFlags(cmd, &t)
	cmd.AddCommand(setCommand(&t), drainCommand(&t), addCommand(&t), removeCommand(&t))
	return cmd
}

// change is a command's change of one backend. It prints what it has changed.
type change func(cmd *cobra.Command, c *api.Client, m api.Match, service string, backend netip.AddrPort) error

// changeCommand makes a command that changes one of the backends that there are. Its port may be left out if it is plain.
func changeCommand(t *target, use, short string, make change) *cobra.Command {
	return backendCommandOf(t, use, short, func(cmd *cobra.Command, c *api.Client, m api.Match, service string, backend netip.AddrPort) error {
		backend, err := c.Complete(cmd.Context(), service, backend)
		if err != nil {
			return err
		}
		return make(cmd, c, m, service, backend)
	})
}

// backendCommandOf makes a command about one backend.
func backendCommandOf(t *target, use, short string, make change) *cobra.Command {
	var revision string
	cmd := &cobra.Command{
		Use: use, Short: short, Args: takes(2), ValidArgsFunction: completeBackend(t),
		RunE: func(cmd *cobra.Command, args []string) error {
			backend, err := api.ParseBackend(args[1])
			if err != nil {
				return err
			}
			c, err := t.client()
			if err != nil {
				return err
			}
			return make(cmd, c, match(revision), args[0], backend)
		},
	}
	matchFlag(cmd, &revision)
	return cmd
}

func setCommand(t *target) *cobra.Command {
	var weight int
	cmd := changeCommand(t, "set SERVICE ADDRESS[:PORT] --weight N", "Set a backend's weight; ends a drain",
		func(cmd *cobra.Command, c *api.Client, m api.Match, service string, backend netip.AddrPort) error {
			changes, err := c.SetWeight(cmd.Context(), m, service, backend, weight)
			return printChanged(cmd, changes, err)
		})
	cmd.Flags().IntVar(&weight, "weight", 0, "the weight `N`, 0 (no new connections) to 65535")
	_ = cmd.MarkFlagRequired("weight") // fails only for a flag that does not exist
	return cmd
}

func addCommand(t *target) *cobra.Command {
	var weight int
	cmd := backendCommandOf(t, "add SERVICE ADDRESS[:PORT]", "Give a service another backend",
		func(cmd *cobra.Command, c *api.Client, m api.Match, service string, backend netip.AddrPort) error {
			changes, err := c.AddBackend(cmd.Context(), m, service, backend, weight)
			return printChanged(cmd, changes, err)
		})
	cmd.Flags().IntVar(&weight, "weight", 1, "its weight `N`, 0 to 65535")
	return cmd
}

func removeCommand(t *target) *cobra.Command {
	cmd := changeCommand(t, "remove SERVICE ADDRESS[:PORT]", "Take a backend out of a service",
		func(cmd *cobra.Command, c *api.Client, m api.Match, service string, backend netip.AddrPort) error {
			changes, err := c.RemoveBackend(cmd.Context(), m, service, backend)
			return printChanged(cmd, changes, err)
		})
	cmd.Long = "Take a backend out of a service. What becomes of its connections, the service's on_remove says."
	return cmd
}

func drainCommand(t *target) *cobra.Command {
	var undo bool
	var wait time.Duration
	cmd := changeCommand(t, "drain SERVICE ADDRESS[:PORT]", "Give a backend no new connections; those it has go on",
		func(cmd *cobra.Command, c *api.Client, m api.Match, service string, backend netip.AddrPort) error {
			switch {
			case wait < 0:
				return fmt.Errorf("--wait is a time such as 5m, not %s", wait)
			case undo && wait > 0:
				return fmt.Errorf("--undo ends a drain, and --wait waits for its end: give one of them")
			}
			changes, err := c.Drain(cmd.Context(), m, service, backend, undo)
			if err := printChanged(cmd, changes, err); err != nil || wait == 0 {
				return err
			}
			return awaitDrain(cmd, c, service, backend, wait)
		})
	cmd.Long = `Give a backend no new connections; those it has go on. With --wait, wait until it has none left, and tell how many there
are: the exit status is 0 then, 3 if the time is up before, 130 after Ctrl-C. The drain stays in force in any case, until
--undo, weir backend set --weight, or the next reload.`
	cmd.Flags().BoolVar(&undo, "undo", false, "end the drain: the backend has the weight again that it had before")
	cmd.Flags().DurationVar(&wait, "wait", 0, "wait until no connections are left, `TIME` such as 5m at most")
	return cmd
}

// printChanged prints what has changed, if err says nothing else.
func printChanged(cmd *cobra.Command, changes []string, err error) error {
	if err == nil {
		printChanges(cmd, changes)
	}
	return err
}

// completeBackend completes a service's name and then a backend's address, as the running daemon has them.
func completeBackend(t *target) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) (words []cobra.Completion, _ cobra.ShellCompDirective) {
		c, err := t.client()
		if err != nil || len(args) > 1 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		if len(args) == 1 {
			backends, _ := c.Backends(cmd.Context(), args[0]) // without a daemon there is nothing to complete
			for _, b := range backends {
				words = append(words, b.Address)
			}
			return words, cobra.ShellCompDirectiveNoFileComp
		}
		return services(cmd, c), cobra.ShellCompDirectiveNoFileComp
	}
}

package main

import (
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"github.com/weirlb/weir/slowpath/api"
)

func backendCommand() *cobra.Command {
	var socket string
	cmd := &cobra.Command{
		Use:   "backend",
		Short: "Change a backend of the running daemon, until the next reload",
		// Without these cobra takes a misspelt command for a question about the others, and for a success.
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	socketFlag(cmd, &socket)
	cmd.AddCommand(setCommand(&socket), drainCommand(&socket))
	return cmd
}

func setCommand(socket *string) *cobra.Command {
	var weight int
	cmd := &cobra.Command{
		Use:   "set SERVICE ADDRESS:PORT --weight N",
		Short: "Set a backend's weight",
		Args:  takes(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			backend, err := parseBackend(args[1])
			if err != nil {
				return err
			}
			changes, err := api.Dial(*socket).SetWeight(cmd.Context(), args[0], backend, weight)
			if err != nil {
				return err
			}
			printChanges(cmd, changes)
			return nil
		},
	}
	cmd.Flags().IntVar(&weight, "weight", 0, "the weight `N`, 0 (no new connections) to 65535")
	_ = cmd.MarkFlagRequired("weight") // fails only for a flag that does not exist
	return cmd
}

func drainCommand(socket *string) *cobra.Command {
	return &cobra.Command{
		Use:   "drain SERVICE ADDRESS:PORT",
		Short: "Give a backend no new connections; those it has go on",
		Args:  takes(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			backend, err := parseBackend(args[1])
			if err != nil {
				return err
			}
			changes, err := api.Dial(*socket).Drain(cmd.Context(), args[0], backend)
			if err != nil {
				return err
			}
			printChanges(cmd, changes)
			return nil
		},
	}
}

func parseBackend(s string) (netip.AddrPort, error) {
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		return a, fmt.Errorf("%q is no backend: write ADDRESS:PORT, an IPv6 address in brackets", s)
	}
	return a, nil
}

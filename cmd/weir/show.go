package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirlb/weir/slowpath/api"
	"github.com/weirlb/weir/slowpath/view"
)

func showCommand() *cobra.Command {
	var t target
	var output string
	var filter api.Filter
	cmd := &cobra.Command{
		Use:       "show " + strings.Join(api.Lists, "|"),
		Short:     "Show what the running daemon is doing",
		Args:      takes(1, api.Lists...),
		ValidArgs: api.Lists,
		RunE: func(cmd *cobra.Command, args []string) error {
			write := view.WriteTable
			switch output {
			case "table":
			case "json":
				write = view.WriteJSON
			default:
				return fmt.Errorf("-o is table or json, not %q", output)
			}
			c, err := t.client()
			if err != nil {
				return err
			}
			list, err := c.Show(cmd.Context(), args[0], filter)
			if err != nil {
				return err
			}
			return write(cmd.OutOrStdout(), list)
		},
	}
	targetFlags(cmd, &t)
	cmd.Flags().StringVarP(&output, "output", "o", "table", "`form`: table or json")
	cmd.Flags().StringVar(&filter.Service, "service", "", "connections, persistence: only those of the service `NAME`")
	_ = cmd.RegisterFlagCompletionFunc("service", completeService(&t)) // fails only for a flag that does not exist
	cmd.Flags().StringVar(&filter.By, "by", "", "drops: count by `WHAT`: worker (the default), port or service")
	cmd.Flags().IntVar(&filter.Limit, "limit", 0, "connections, persistence: at most `N` (0: all)")
	return cmd
}

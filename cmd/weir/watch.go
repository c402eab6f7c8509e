package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirlb/weir/slowpath/api"
	"github.com/weirlb/weir/slowpath/view"
)

func watchCommand() *cobra.Command {
	var t target
	var output string
	var f api.WatchFilter
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Print what happens in the running daemon, as it happens",
		Long: `Print what happens in the running daemon, as it happens, until Ctrl-C: backends and services that go up or down, changes
of weights, drains, reloads, next hops and links of ports.`,
		Args: takes(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "table" && output != "json" {
				return fmt.Errorf("-o is table or json, not %q", output)
			}
			c, err := t.client()
			if err != nil {
				return err
			}
			encoder := json.NewEncoder(cmd.OutOrStdout())
			return c.Watch(cmd.Context(), f, func(e view.Event) error {
				if output == "json" {
					return encoder.Encode(e)
				}
				_, err := fmt.Fprint(cmd.OutOrStdout(), eventLine(e))
				return err
			})
		},
	}
	targetFlags(cmd, &t)
	cmd.Flags().StringVarP(&output, "output", "o", "table", "`form`: table or json, a line each")
	cmd.Flags().StringSliceVar(&f.Types, "type", nil, "only events of these `TYPES`: "+strings.Join(view.EventTypes, ", "))
	cmd.Flags().StringVar(&f.Service, "service", "", "only events of the service `NAME`")
	_ = cmd.RegisterFlagCompletionFunc("service", completeService(&t)) // fails only for a flag that does not exist
	return cmd
}

// eventLine is an event for people, with a line for each change of a reload and for each error of one.
func eventLine(e view.Event) string {
	indent := "\n" + strings.Repeat(" ", len("15:04:05.000  reload    "))
	line := fmt.Sprintf("%s  %-8s  %s", e.Time.Local().Format("15:04:05.000"), e.Type, strings.ReplaceAll(e.Text, "\n", indent))
	if e.By != "" {
		line += " (by " + e.By + ")"
	}
	for _, c := range e.Changes {
		line += indent + c
	}
	return line + "\n"
}

// services are the names of the running daemon's, for completion.
func services(cmd *cobra.Command, c *api.Client) (names []cobra.Completion) {
	list, err := c.Show(cmd.Context(), "services", api.Filter{})
	if err != nil {
		return nil // without a daemon there is nothing to complete
	}
	for _, s := range list.([]view.Service) {
		names = append(names, s.Name)
	}
	return names
}

func completeService(t *target) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		c, err := t.client()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return services(cmd, c), cobra.ShellCompDirectiveNoFileComp
	}
}

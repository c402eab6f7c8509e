package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/weirlb/weir/slowpath/api"
)

func reloadCommand() *cobra.Command {
	var t target
	var o api.ReloadOptions
	var revision string
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Make the running daemon apply its file again, and print what changed",
		Long: `Make the running daemon apply its file again, all or nothing, and print what changed, a line each: + added, - removed,
~ changed. The file is compared with what the daemon really does: what was changed at run time is undone, unless
--keep-runtime is given. A file with errors, or one that asks for what a running daemon cannot change, is refused whole.`,
		Args: takes(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := t.client()
			if err != nil {
				return err
			}
			o.Match = match(revision)
			done, err := c.Reload(cmd.Context(), o)
			if err != nil {
				return err
			}
			if len(done.NeedsRestart) == 0 || len(done.Changes) > 0 {
				printChanges(cmd, done.Changes)
			}
			for _, line := range done.Warnings {
				fmt.Fprintln(os.Stderr, line)
			}
			for _, line := range done.NeedsRestart {
				fmt.Fprintf(cmd.OutOrStdout(), "%s (needs a restart: a reload would be refused)\n", line)
			}
			return nil
		},
	}
	targetFlags(cmd, &t)
	matchFlag(cmd, &revision)
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "only print what would change, and what needs a restart")
	cmd.Flags().BoolVar(&o.KeepRuntime, "keep-runtime", false, "keep what was changed at run time, as far as the file has it still")
	return cmd
}

func printChanges(cmd *cobra.Command, changes []string) {
	if len(changes) == 0 {
		fmt.Fprintln(cmd.OutOrStdout(), "nothing changed")
	}
	for _, c := range changes {
		fmt.Fprintln(cmd.OutOrStdout(), c)
	}
}

package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/weirlb/weir/conf"
)

func configCommand() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show the running daemon's configuration, or save what was changed at run time",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	targetFlags(cmd, &t)
	cmd.AddCommand(configShowCommand(&t), configDiffCommand(&t), configSaveCommand(&t))
	return cmd
}

func configShowCommand(t *target) *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Print the configuration in force: every key with its value, in YAML",
		Args:  takes(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := t.client()
			if err != nil {
				return err
			}
			cfg, err := c.Configuration(cmd.Context(), true)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "# %s, revision %s, with %s made at run time\n%s", cfg.File, cfg.Revision, conf.Counted(len(cfg.Changes), "change"), cfg.Effective)
			return nil
		},
	}
}

func configDiffCommand(t *target) *cobra.Command {
	return &cobra.Command{
		Use:   "diff",
		Short: "Print what was changed at run time since the file was loaded",
		Args:  takes(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := t.client()
			if err != nil {
				return err
			}
			cfg, err := c.Configuration(cmd.Context(), false)
			if err != nil {
				return err
			}
			printChanges(cmd, cfg.Changes)
			return nil
		},
	}
}

func configSaveCommand(t *target) *cobra.Command {
	var revision, out string
	var force bool
	cmd := &cobra.Command{
		Use:   "save",
		Short: "Write what was changed at run time to the configuration file",
		Long: `Write what was changed at run time to the daemon's configuration file, and print it. Only the backends concerned
change in the file; comments, order and all else stay, and so do its mode and owner. A file that was changed since it was
loaded is refused: reload it first, or give --force, which changes the same in the file as it is now.`,
		Args: takes(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := t.client()
			if err != nil {
				return err
			}
			if out == "" {
				changes, err := c.Save(cmd.Context(), match(revision), force)
				if err != nil {
					return err
				}
				printChanges(cmd, changes)
				return nil
			}
			cfg, err := c.Configuration(cmd.Context(), false)
			if err != nil {
				return err
			}
			if revision != "" && revision != cfg.Revision {
				return fmt.Errorf("the configuration's revision is %s now, not %s: look at it again", cfg.Revision, revision)
			}
			if out == "-" {
				fmt.Fprint(cmd.OutOrStdout(), cfg.Document)
				return nil
			}
			if err := os.WriteFile(out, []byte(cfg.Document), 0o644); err != nil {
				return fmt.Errorf("saving the configuration: %w", err)
			}
			printChanges(cmd, cfg.Changes)
			return nil
		},
	}
	matchFlag(cmd, &revision)
	cmd.Flags().BoolVar(&force, "force", false, "even if the file was changed since it was loaded")
	cmd.Flags().StringVarP(&out, "output", "o", "", "write the whole to `FILE` on this machine instead; - is standard output")
	return cmd
}

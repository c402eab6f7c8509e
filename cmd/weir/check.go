package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/weirlb/weir/conf"
)

func configFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVarP(file, "config", "c", "", "the configuration `FILE`")
	_ = cmd.MarkFlagRequired("config") // fails only for a flag that does not exist
}

// loadConfig loads a configuration, or prints all its errors, a line each.
func loadConfig(file string) (*conf.Config, error) {
	cfg, err := conf.Load(file)
	return cfg, printed(err)
}

// loadForThisMachine is loadConfig, and looks for the files that the configuration names.
func loadForThisMachine(file string) (*conf.Config, error) {
	cfg, err := loadConfig(file)
	if err != nil {
		return nil, err
	}
	return cfg, printed(cfg.CheckFiles())
}

// printed prints the errors of a configuration.
func printed(err error) error {
	var all conf.Errors
	if errors.As(err, &all) {
		for _, e := range all {
			fmt.Fprintln(os.Stderr, e.Error())
		}
		return errReported
	}
	return err
}

func checkCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "check -c FILE",
		Short: "Validate a configuration: every error at once, with file, line and key, and warnings of what has no effect",
		Args:  takes(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadForThisMachine(file)
			if err != nil {
				return err
			}
			for _, w := range cfg.Warnings {
				fmt.Fprintln(os.Stderr, w.Error())
			}
			backends := 0
			for i := range cfg.Services {
				backends += len(cfg.Services[i].Backends)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is valid: %s, %s, %s\n",
				file, conf.Counted(len(cfg.Ports), "port"), conf.Counted(len(cfg.Services), "service"), conf.Counted(backends, "backend"))
			return nil
		},
	}
	configFlag(cmd, &file)
	return cmd
}

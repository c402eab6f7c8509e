package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// form is how a command is written: "weir show services|backends|…".
func form(cmd *cobra.Command) string {
	if !cmd.HasParent() {
		return cmd.Use
	}
	return cmd.Parent().CommandPath() + " " + cmd.Use
}

// takes accepts as many arguments as cmd.Use names and, where valid is not empty, nothing else than its words.
func takes(n int, valid ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < n {
			return fmt.Errorf("an argument is missing: write %s", form(cmd))
		}
		for i, a := range args {
			if i >= n || len(valid) > 0 && !slices.Contains(valid, a) {
				return fmt.Errorf("%q makes no sense here: write %s", a, form(cmd))
			}
		}
		return nil
	}
}

// given reports the flags that a command cannot do without.
func given(cmd *cobra.Command, _ []string) error {
	var missing []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Annotations[cobra.BashCompOneRequiredFlag] == nil || f.Changed {
			return
		}
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand
		}
		missing = append(missing, name)
	})
	switch len(missing) {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("%s is missing: write %s", missing[0], form(cmd))
	}
	return fmt.Errorf("%s are missing: write %s", strings.Join(missing, ", "), form(cmd))
}

// flagError says what is wrong with a flag in the user's words and where its command's flags are listed.
func flagError(cmd *cobra.Command, err error) error {
	if errors.Is(err, pflag.ErrHelp) {
		return err
	}
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) && invalid.GetFlag().Value.Type() == "int" {
		return fmt.Errorf("--%s must be a number, is %q", invalid.GetFlag().Name, invalid.GetValue())
	}
	return fmt.Errorf("%w: see %s --help", err, cmd.CommandPath())
}

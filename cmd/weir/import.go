package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirlb/weir/conf/lvs"
)

// importOptions are the flags of weir import.
type importOptions struct {
	out, id string
	marks   []string
	port    lvs.Port
	strict  bool
}

func importCommand() *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use:   "import keepalived|ipvsadm FILE",
		Short: "Turn an existing LVS setup into a configuration, with a report by line",
		Long: `Reads keepalived.conf, or calls of ipvsadm as ipvsadm-save -n prints them, and writes Weir's YAML to standard output.
The report on standard error tells by line what was changed, what means nothing here, and what is missing because Weir
has no counterpart or weir check would refuse it: that needs a decision.

LVS has no ports: with --device and --address the configuration is complete if nothing is missing. Without them it has
empty places, which weir check asks for.`,
		Example: `  weir import keepalived /etc/keepalived/keepalived.conf -o weir.yaml --device 0000:03:00.0 --address 203.0.113.2/24
  ipvsadm-save -n > lvs.txt; weir import ipvsadm lvs.txt --mark 1=203.0.113.10:80,203.0.113.10:443/tcp`,
		Args:      cobra.MatchAll(takes(2), firstOf("keepalived", "ipvsadm")),
		ValidArgs: []string{"keepalived", "ipvsadm"},
		RunE:      func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0], args[1]) },
	}
	host, _ := os.Hostname() // keepalived's default, without the domain
	host, _, _ = strings.Cut(host, ".")
	f := cmd.Flags()
	f.StringVarP(&o.out, "output", "o", "", "write the configuration to `FILE`, which must not exist")
	f.StringVar(&o.id, "config-id", host, "take keepalived's lines with @`ID`")
	f.StringArrayVar(&o.marks, "mark", nil, "what a firewall mark stands for: `MARK=ADDRESS:PORT,…/PROTOCOL`; may be repeated")
	f.StringVar(&o.port.Device, "device", "", "`DEVICE` of the port: a PCI address, or DPDK's name for another one")
	f.StringArrayVar(&o.port.Addresses, "address", nil, "`ADDRESS/LENGTH` of the port; may be repeated")
	f.StringArrayVar(&o.port.Gateways, "gateway", nil, "`ADDRESS` of a gateway; may be repeated")
	f.BoolVar(&o.strict, "strict", false, "exit with 1 if anything is missing")
	return cmd
}

// firstOf wants the first argument to be one of some words.
func firstOf(words ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error { return takes(1, words...)(cmd, args[:1]) }
}

func (o *importOptions) run(cmd *cobra.Command, kind, file string) error {
	marks := map[int]lvs.Marked{}
	for _, text := range o.marks {
		n, m, err := lvs.ParseMark(text)
		if err != nil {
			return fmt.Errorf("--mark: %w", err)
		}
		marks[n] = m
	}
	var setup *lvs.Setup
	var err error
	if kind == "keepalived" {
		setup, err = lvs.Keepalived(file, o.id)
	} else {
		setup, err = lvs.IPVSAdm(file)
	}
	if err != nil {
		return err
	}
	setup.Resolve(marks)
	setup.Verify(o.port)
	if err := o.write(cmd.OutOrStdout(), setup, file); err != nil {
		return err
	}
	if err := setup.Report(cmd.ErrOrStderr()); err != nil {
		return err
	}
	if o.out != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "written to %s; next: weir check -c %s\n", o.out, o.out)
	}
	if o.strict && !setup.Complete() {
		return errReported
	}
	return nil
}

// write writes the configuration, never over a file that is there.
func (o *importOptions) write(to io.Writer, setup *lvs.Setup, source string) error {
	if o.out == "" {
		return setup.YAML(to, source, o.port)
	}
	f, err := os.OpenFile(o.out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s exists: remove it, or write to another file", o.out)
	}
	if err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	if err := errors.Join(setup.YAML(f, source, o.port), f.Close()); err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	return nil
}

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirlb/weir/slowpath/explain"
	"github.com/weirlb/weir/slowpath/view"
)

func explainCommand() *cobra.Command {
	var t target
	var file, output string
	cmd := &cobra.Command{
		Use:   "explain [-c FILE] PACKET",
		Short: "Tell what would happen to a packet, and why: in the running daemon, or by a configuration",
		Long: `Tell what would happen to a packet, step by step: the port, the connection or service that takes it, the
scheduler's choice, what is rewritten, the neighbour and the way out, or the reason why it is dropped and what mends that.

With -c the packet goes through the real packet path with that configuration and nothing else. Without, the running
daemon is asked. It decides on a copy of its state: nothing is sent, and nothing changes.

PACKET is ` + explain.Syntax + `
PROTO is tcp, udp, sctp, icmp (a ping), or another protocol. A source without a port has 40000; TCP without flags is a
SYN, SCTP without chunks an INIT.`,
		Example: `  weir explain 'tcp 198.51.100.7:40000 > 203.0.113.10:80'
  weir explain -c weir.yaml 'udp [2001:db8:1::7]:5353 > [2001:db8::10]:53 len 1400'
  weir explain 'tcp 10.0.0.11:8080 > 198.51.100.7:40000 syn,ack ttl 1 in lan' -o json`,
		Args: takes(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if output != "text" && output != "json" {
				return fmt.Errorf("-o is text or json, not %q", output)
			}
			e, err := explained(cmd, file, &t, strings.Join(args, " "))
			if err != nil {
				return err
			}
			if output == "json" {
				return view.WriteJSON(cmd.OutOrStdout(), e)
			}
			return view.WriteExplanation(cmd.OutOrStdout(), e)
		},
	}
	targetFlags(cmd, &t)
	cmd.Flags().StringVarP(&file, "config", "c", "", "explain by the configuration `FILE` alone, without a daemon")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "`form`: text or json")
	return cmd
}

// explained asks the daemon, or the configuration if there is one.
func explained(cmd *cobra.Command, file string, t *target, packet string) (*view.Explanation, error) {
	p, err := explain.Parse(packet)
	if err != nil {
		return nil, err
	}
	if file == "" {
		c, err := t.client()
		if err != nil {
			return nil, err
		}
		return c.Explain(cmd.Context(), packet)
	}
	cfg, err := loadConfig(file)
	if err != nil {
		return nil, err
	}
	return explain.File(cfg, p)
}

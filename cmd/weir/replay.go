package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/weirlb/weir/slowpath/replay"
)

func replayCommand() *cobra.Command {
	var file, in, out, summary string
	cmd := &cobra.Command{
		Use:   "replay -c FILE -i IN -o OUT",
		Short: "Run a capture through the real packet path: no root, no NIC",
		Long: `Run a pcap or pcapng capture through the real packet path and write what leaves to another. The same
capture and configuration give the same bytes. Packets enter at the port with the name of the capture's
interface (pcapng) or at the first port; the output, if it ends in .pcapng, names the port each packet left by.
Captures of Ethernet are read, and of what tcpdump makes on "any", on tunnels and on loopback interfaces.
Time is the capture's. Health checks are off. The summary goes to standard error.`,
		Args: takes(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if summary != "text" && summary != "json" {
				return fmt.Errorf("--summary is text or json, not %q", summary)
			}
			cfg, err := loadConfig(file)
			if err != nil {
				return err
			}
			s, err := replay.Run(cfg, in, out)
			if s != nil {
				printSummary(cmd.ErrOrStderr(), s, summary)
			}
			return err
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVarP(&in, "input", "i", "", "read the capture `IN`: pcap or pcapng")
	cmd.Flags().StringVarP(&out, "output", "o", "", "write the capture `OUT`: pcapng if it ends in .pcapng")
	cmd.Flags().StringVar(&summary, "summary", "text", "`form` of the summary: text or json")
	_ = cmd.MarkFlagRequired("input") // fails only for a flag that does not exist
	_ = cmd.MarkFlagRequired("output")
	return cmd
}

func printSummary(w io.Writer, s *replay.Summary, form string) {
	if form == "json" {
		_ = json.NewEncoder(w).Encode(s) // standard error: nobody is left to be told
		return
	}
	fmt.Fprintf(w, "packets in %d, out %d (of Weir's own %d), punted %d, dropped %d; connections made %d\n",
		s.In, s.Out, s.Own, s.Punted, s.Dropped, s.NewConnections)
	for _, part := range []struct {
		title  string
		counts map[string]uint64
	}{{"dropped", s.Drops}, {"punted", s.Punts}, {"answered", s.Answers}} {
		for _, r := range slices.Sorted(maps.Keys(part.counts)) {
			fmt.Fprintf(w, "  %-8s %-22s %d\n", part.title, r, part.counts[r])
		}
	}
}

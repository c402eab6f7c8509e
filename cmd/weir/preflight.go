package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/weirlb/weir/dpdk/eal"
	"github.com/weirlb/weir/slowpath/preflight"
)

func preflightCommand() *cobra.Command {
	var file, output string
	cmd := &cobra.Command{
		Use:   "preflight [-c FILE]",
		Short: "Look at everything Weir needs of this machine, and say how to mend what is wrong",
		Long: `Look at everything Weir needs of this machine: huge pages, IOMMU and vfio-pci, NICs and their drivers, cores,
capabilities, TAP, limits, DPDK and its drivers, CPU and clock. It changes nothing, and prints a line each: ok, warning
(Weir runs, but slower) or WRONG (it would not start), with the command that mends it. With a configuration, that is
what counts; without one it tells what there is. Run it as the user that will run Weir, and while no Weir is running: one
that runs has taken its memory already. The exit status is 1 if something is wrong; warnings do not count.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			write := preflight.WriteText
			switch output {
			case "text":
			case "json":
				write = preflight.WriteJSON
			default:
				return fmt.Errorf("-o is text or json, not %q", output)
			}
			m := &preflight.Machine{
				Root: os.DirFS("/"), DPDK: eal.Version(), Drivers: eal.DriverFolder, Scripts: scriptsFolder(),
				Interface: preflight.ReadInterface,
			}
			if file != "" {
				var err error
				if m.Config, err = loadConfig(file); err != nil {
					return err
				}
			}
			results := preflight.Run(m)
			if err := write(cmd.OutOrStdout(), results); err != nil {
				return err
			}
			if preflight.Count(results, preflight.Wrong) > 0 {
				return errReported
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "the configuration `FILE`; none: only what there is")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "`form`: text or json")
	return cmd
}

// scriptsFolder is where nic and hugepages are: beside bin/ in a source tree, and otherwise by their name there.
func scriptsFolder() string {
	exe, err := os.Executable()
	if err != nil {
		return ""
	}
	dir := filepath.Join(filepath.Dir(filepath.Dir(exe)), "scripts")
	if _, err := os.Stat(filepath.Join(dir, "nic")); err != nil {
		return ""
	}
	return dir
}

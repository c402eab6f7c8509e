// Command compare takes the packets of a capture through the kernel's IPVS and through Weir's packet path, both with the services of a file
// that ipvsadm-restore takes, and tells packet by packet what they did. scripts/ipvslab compare builds and runs it.
//
//	FILE.ipvsadm ─┬─► ipvsadm -R ──────────► IPVS (User Mode Linux) ─┐
//	              └─► weir import ─► YAML ─► weir replay's player ─┐ │
//	CAPTURE.pcap ─► packets ─► both                                └─┴─► report
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/conf/lvs"
	"github.com/weirlb/weir/internal/ipvs"
)

const usage = `usage: scripts/ipvslab compare --services FILE --in CAPTURE [flags]

Takes the packets of a capture through Linux's IPVS and through Weir, and tells packet by packet what they did.
FILE is what ipvsadm-save -n prints, or a script of calls of ipvsadm; both get its services. CAPTURE is a pcap or pcapng
file. The capture's times count; MACs and networks are made up so that both know every real server and every client, and
every packet comes in as if it were for the director. It ends with 0 if nothing differs that is not meant to
(docs/differences-from-ipvs.md), with 1 if something does, and with 2 if it could not compare.

`

// options are the flags.
type options struct {
	services, in, out, config string
	marks, sysctls            list
	addresses, gateways       list
	station                   string
	show                      string
}

// list is a flag that may be given several times.
type list []string

func (l *list) String() string     { return strings.Join(*l, " ") }
func (l *list) Set(v string) error { *l = append(*l, v); return nil }

// errDiffer ends the command with 1: the report has told why.
var errDiffer = errors.New("there are unexpected differences")

func main() {
	switch err := run(os.Args[1:], os.Stdout); {
	case err == nil:
	case errors.Is(err, errDiffer):
		os.Exit(1)
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(2)
	}
}

func (o *options) parse(args []string) error {
	f := flag.NewFlagSet("compare", flag.ContinueOnError)
	f.Usage = func() {
		fmt.Fprint(f.Output(), usage)
		f.PrintDefaults()
	}
	f.StringVar(&o.services, "services", "", "`FILE` with calls of ipvsadm, a line each")
	f.StringVar(&o.in, "in", "", "`CAPTURE` of what comes to the director")
	f.StringVar(&o.out, "out", "", "folder `DIR` to keep what was played and what came out: in, ipvs and weir.pcapng, and weir.yaml")
	f.StringVar(&o.config, "config", "", "Weir's configuration in `FILE`, instead of what weir import makes of the services")
	f.Var(&o.marks, "mark", "what a firewall mark stands for: `MARK=ADDRESS:PORT,.../PROTOCOL`, as for weir import; may be repeated")
	f.Var(&o.sysctls, "sysctl", "`NAME=VALUE` of /proc/sys/net/ipv4/vs in the kernel; may be repeated. Weir's counterparts are in --config")
	f.Var(&o.addresses, "address", "`ADDRESS/LENGTH` of the director, as for weir import; may be repeated (default: made up)")
	f.Var(&o.gateways, "gateway", "`ADDRESS` of a router; may be repeated")
	f.StringVar(&o.station, "to", "", "only frames to this `MAC`, if the capture has others, too")
	f.StringVar(&o.show, "show", "all", "which packets the report has: all, different or unexpected")
	if err := f.Parse(args); err != nil {
		return err
	}
	switch {
	case f.NArg() > 0:
		return fmt.Errorf("%q is no flag", f.Arg(0))
	case o.services == "" || o.in == "":
		return errors.New("--services FILE and --in CAPTURE are needed: scripts/ipvslab compare -h")
	case o.show != "all" && o.show != "different" && o.show != "unexpected":
		return fmt.Errorf("--show is all, different or unexpected, not %q", o.show)
	case len(o.addresses) == 0 && len(o.gateways) > 0:
		return errors.New("--gateway goes with --address")
	}
	return nil
}

func run(args []string, w io.Writer) error {
	var o options
	if err := o.parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "weir-compare")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if o.out == "" {
		o.out = dir
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	c, err := o.prepare(w)
	if err != nil {
		return err
	}
	if err := c.play(dir); err != nil {
		return err
	}
	if err := c.store(o.out); err != nil {
		return err
	}
	return c.report(w, o.show)
}

// comparison is one under way.
type comparison struct {
	services string // the file
	capture  string // the other one
	stations map[[6]byte]string
	cfg      *conf.Config
	plan     ipvs.Plan
	played   *played
	all      []*exchange
	kernel   string
	tables   [2]ipvs.Table // IPVS's and Weir's
	marked   map[int]bool  // services by their places, that the kernel knows by a firewall mark
	clients  clients
	begun    map[*conf.Service]bool
	refused  bool // as a difference's, of the packets judged so far
}

func (o *options) prepare(w io.Writer) (*comparison, error) {
	s, err := readServices(o.services, o.marks)
	if err != nil {
		return nil, err
	}
	mac, err := parseMAC(o.station)
	if err != nil {
		return nil, err
	}
	c := &comparison{services: o.services, capture: o.in}
	if c.played, err = read(o.in, mac); err != nil {
		return nil, err
	}
	port := lvs.Port{Addresses: o.addresses, Gateways: o.gateways}
	if len(o.addresses) == 0 {
		if port, err = surroundings(s.setup, c.played.packets); err != nil {
			return nil, err
		}
	}
	port.Device = "net_null0"
	if o.config != "" {
		c.cfg, err = conf.Load(o.config)
	} else {
		c.cfg, err = s.config(o.services, filepath.Join(o.out, "weir.yaml"), port, w)
	}
	if err != nil {
		return nil, fmt.Errorf("Weir's configuration: %w", err)
	}
	if o.config == "" {
		c.marked = map[int]bool{}
		for i, v := range s.setup.Services {
			c.marked[i] = len(v.Marks) > 0
		}
	}
	c.plan.Network, c.plan.Lines = network(c.cfg, c.played.packets), s.lines
	c.stations = stations(&c.plan.Network)
	for _, text := range o.sysctls {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, fmt.Errorf("--sysctl %s: it must be NAME=VALUE", text)
		}
		c.plan.Sysctls = append(c.plan.Sysctls, ipvs.Sysctl{Name: name, Value: value})
	}
	c.all = incoming(c.cfg, &c.plan.Network, c.played.packets)
	for _, x := range c.all {
		at := x.packet.at.Sub(c.all[0].packet.at)
		c.plan.Packets = append(c.plan.Packets, ipvs.Incoming{At: at, Frame: x.in, Mark: s.mark(&x.view)})
	}
	return c, nil
}

// play takes both through it.
func (c *comparison) play(dir string) error {
	o, err := playLinux(&c.plan, dir)
	if err != nil {
		return err
	}
	return c.beside(o)
}

// beside takes Weir through what IPVS has been taken through.
func (c *comparison) beside(o *ipvs.Outcome) (err error) {
	if o.Plan != c.plan.Sum() {
		return errors.New("IPVS was taken through another plan")
	}
	if len(o.Faults) > 0 {
		return faults(c.services, o.Faults)
	}
	if len(o.Out) != len(c.all) {
		return fmt.Errorf("IPVS has taken %d of %d packets", len(o.Out), len(c.all))
	}
	for i, x := range c.all {
		x.linux = o.Out[i]
	}
	c.kernel, c.tables[0] = o.Kernel, o.Table
	c.tables[1], err = playWeir(c.cfg, c.serviceName, c.all)
	return err
}

// serviceName is what the kernel's table calls a service.
func (c *comparison) serviceName(i int) string {
	s := &c.cfg.Services[i]
	if len(s.Addresses) > 1 || c.marked[i] {
		return ipvs.Marked
	}
	e := s.Addresses[0]
	port := e.Ports.First
	return fmt.Sprintf("%s %s", s.Protocol, netip.AddrPortFrom(e.Prefix.Addr(), port))
}

// unported is a table in which backends of marked services have no ports: where such a server takes each packet at the port that it was
// sent to, IPVS has none, and Weir has one if all of the service's addresses have the same.
func unported(t *ipvs.Table) *ipvs.Table {
	template := func(c ipvs.Conn) bool { return c.Client.Port() == 0 } // or looks like one of IPVS's
	out := ipvs.Table{Conns: slices.DeleteFunc(slices.Clone(t.Conns), template), Counts: slices.Clone(t.Counts)}
	for i := range out.Counts {
		if n := &out.Counts[i]; n.Service == ipvs.Marked {
			n.Backend = netip.AddrPortFrom(n.Backend.Addr(), 0)
		}
	}
	return &out
}

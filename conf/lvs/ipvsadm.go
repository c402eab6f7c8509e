package lvs

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// IPVSAdm reads calls of ipvsadm (ipvsadm(8)), a line each: what ipvsadm-save -n prints and ipvsadm-restore reads, or a script of them.
// The error is one that stops the reading; what cannot be taken over is in the Setup's notes.
func IPVSAdm(file string) (*Setup, error) {
	data, err := readFile(file)
	if err != nil {
		return nil, err
	}
	return savedIPVSAdm(data, file)
}

// savedIPVSAdm reads what a file holds.
func savedIPVSAdm(data, file string) (*Setup, error) {
	calls, err := Calls(file, data)
	if err != nil {
		return nil, err
	}
	in := ipvsadm{Setup: &Setup{newestFirst: true}, byKey: map[string]*Service{}}
	for _, c := range calls {
		in.call(c.Place, c.Words)
	}
	return in.Setup, nil
}

// Call is a call of ipvsadm, without its name.
type Call struct {
	Place Place
	Words []string
}

// Calls are those that a file with this content has. Empty lines and what is behind a # say nothing.
func Calls(file, data string) (out []Call, err error) {
	for i, line := range strings.Split(data, "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) > 0 && (words[0] == "ipvsadm" || strings.HasSuffix(words[0], "/ipvsadm")) {
			words = words[1:]
		}
		if len(words) == 0 {
			continue
		}
		if i >= maxTokens {
			return nil, fmt.Errorf("%s has more than %d lines", file, maxTokens)
		}
		out = append(out, Call{Place{file, i + 1}, words})
	}
	return out, nil
}

// ipvsadm is an import under way.
type ipvsadm struct {
	*Setup
	byKey map[string]*Service
}

// options are those of a call; the command is under "command".
type options map[string]string

// longOptions are ipvsadm's, by their short names. A value of + at the end says that a value follows.
var longOptions = map[string]string{
	"--add-service": "-A", "--edit-service": "-E", "--add-server": "-a", "--edit-server": "-e", "--delete-service": "-D",
	"--delete-server": "-d", "--clear": "-C", "--restore": "-R", "--zero": "-Z",
	"--tcp-service": "-t+", "--udp-service": "-u+", "--sctp-service": "--sctp-service+", "--fwmark-service": "-f+",
	"--scheduler": "-s+", "--persistent": "-p", "--netmask": "-M+", "--sched-flags": "-b+", "--pe": "--pe+", "--ops": "-o", "--ipv6": "-6",
	"--real-server": "-r+", "--gatewaying": "-g", "--ipip": "-i", "--masquerading": "-m", "--weight": "-w+",
	"--u-threshold": "-x+", "--l-threshold": "-y+", "--tun-type": "--tun-type+", "--tun-port": "--tun-port+",
	"--tun-nocsum": "--tun-nocsum", "--tun-csum": "--tun-csum", "--tun-remcsum": "--tun-remcsum",
}

const withValue = "tufsMbrwxy"

// parseCall reads a call's options. Those of ipvsadm may have their value in the next word or behind an equals sign.
func parseCall(words []string) (options, error) {
	out := options{}
	for i := 0; i < len(words); i++ {
		name, value, given := words[i], "", false
		if long, v, ok := strings.Cut(name, "="); strings.HasPrefix(name, "--") && ok {
			name, value, given = long, v, true
		}
		takes := len(name) == 2 && strings.Contains(withValue, name[1:])
		if long, ok := longOptions[name]; ok {
			name, takes = strings.TrimSuffix(long, "+"), strings.HasSuffix(long, "+")
		} else if len(name) != 2 || name[0] != '-' {
			return nil, fmt.Errorf("%q is no option of ipvsadm that is known here", words[i])
		}
		next := i+1 < len(words) && !strings.HasPrefix(words[i+1], "-")
		switch {
		case given:
		case takes && i+1 == len(words):
			return nil, fmt.Errorf("%s lacks its value", name)
		case takes, name == "-p" && next:
			i++
			value = words[i]
		}
		if strings.Contains("-A -E -a -e -D -d -C -R -Z", name) {
			name, value = "command", name
		}
		out[name] = value
	}
	return out, nil
}

func (in *ipvsadm) call(at Place, words []string) {
	if words[0] == "--set" {
		in.timeouts(at, words[1:])
		return
	}
	if strings.HasPrefix(words[0], "--start-daemon") || strings.HasPrefix(words[0], "--stop-daemon") {
		in.note(at, Ignored, "%s: Weir does not send its connections to a second director", words[0])
		return
	}
	o, err := parseCall(words)
	if err != nil {
		in.note(at, Missing, "%v", err)
		return
	}
	key, endpoint := o.service()
	switch command := o["command"]; command {
	case "-A", "-E":
		in.service(at, o, key, endpoint)
	case "-D":
		in.deleteService(at, key)
	case "-a", "-e", "-d":
		in.server(at, o, key)
	case "-C":
		in.Services = nil
		clear(in.byKey)
	case "-R", "-Z":
		in.note(at, Ignored, "%s: has no counterpart", command)
	default:
		in.note(at, Missing, "%s: only calls that add, edit and delete services and servers are read", strings.Join(words, " "))
	}
}

func (in *ipvsadm) deleteService(at Place, key string) {
	v := in.byKey[key]
	if v == nil {
		in.note(at, Missing, "there is no such service to delete")
		return
	}
	delete(in.byKey, key)
	in.Services = slices.DeleteFunc(in.Services, func(s *Service) bool { return s == v })
}

// timeouts takes what --set has in seconds.
func (in *ipvsadm) timeouts(at Place, words []string) {
	in.TimeoutsPlace = at
	for i := range in.Timeouts {
		text := ""
		if i < len(words) {
			text = words[i]
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || len(words) != len(in.Timeouts) {
			in.note(at, Missing, "--set: wants three numbers of seconds, for tcp, tcp_fin and udp")
			return
		}
		in.Timeouts[i] = time.Duration(n) * time.Second
	}
}

// service is what a call's service is known by, and its address.
func (o options) service() (key, endpoint string) {
	for option, protocol := range map[string]string{"-t": "tcp", "-u": "udp", "--sctp-service": "sctp", "-f": ""} {
		if v, ok := o[option]; ok {
			key := v
			if a, err := numeric(v); err == nil {
				key = a.String()
			}
			return protocol + " " + key, v
		}
	}
	return "", ""
}

func (in *ipvsadm) service(at Place, o options, key, endpoint string) {
	protocol, _, _ := strings.Cut(key, " ")
	v := &Service{Place: at, Protocol: protocol, Scheduler: "wlc"}
	if protocol == "" {
		n, err := strconv.Atoi(endpoint)
		if err != nil {
			in.note(at, Missing, "%q is no firewall mark", endpoint)
			return
		}
		v.Marks = []int{n}
	} else {
		a, err := numeric(endpoint)
		if err != nil {
			in.note(at, Missing, "%v", err)
			return
		}
		v.Endpoints = []Endpoint{{netip.PrefixFrom(a.Addr(), a.Addr().BitLen()), int(a.Port())}}
	}
	if s := o["-s"]; s != "" {
		v.Scheduler = s
	}
	if f := o["-b"]; f != "" {
		v.Flags = strings.Split(f, ",")
	}
	_, v.OnePacket = o["-o"]
	if p, ok := o["-p"]; ok {
		v.Persistence = 6 * time.Minute
		if p != "" {
			n, err := strconv.Atoi(p)
			if err != nil || n < 1 {
				in.note(at, Missing, "-p: %q is no number of seconds", p)
			}
			v.Persistence = time.Duration(n) * time.Second
		}
	}
	in.mask(at, v, o["-M"])
	if pe := o["--pe"]; pe != "" {
		in.note(at, Missing, "--pe %s: Weir knows clients by their addresses only", pe)
	}
	old := in.byKey[key]
	switch {
	case o["command"] == "-A" && old != nil:
		in.note(at, Missing, "the service is added twice: this line is left out")
		return
	case o["command"] == "-E" && old == nil:
		in.note(at, Missing, "there is no such service to edit")
		return
	case old != nil:
		v.Backends = old.Backends
		*old = *v
		return
	}
	in.byKey[key] = v
	in.Services = append(in.Services, v)
}

func (in *ipvsadm) mask(at Place, v *Service, mask string) {
	if mask == "" {
		return
	}
	n, ok := maskLength(mask)
	switch {
	case !ok:
		in.note(at, Missing, "-M: %q is no netmask", mask)
	case strings.Contains(mask, "."):
		v.Mask4 = n
	default:
		v.Prefix6 = n
	}
}

func (in *ipvsadm) server(at Place, o options, key string) {
	v := in.byKey[key]
	if v == nil {
		in.note(at, Missing, "the service of this server has not been added")
		return
	}
	text := o["-r"]
	if a, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil { // without a port: the service's
		text = netip.AddrPortFrom(a, 0).String()
	}
	a, err := numeric(text)
	if err != nil {
		in.note(at, Missing, "%v", err)
		return
	}
	i := slices.IndexFunc(v.Backends, func(b Backend) bool { return b.Address == a })
	switch command := o["command"]; {
	case command == "-a" && i >= 0:
		in.note(at, Missing, "%s is added twice: this line is left out", a)
	case command == "-a":
		v.Backends = append(v.Backends, in.backend(at, o, a))
	case i < 0:
		in.note(at, Missing, "the service has no server %s", a)
	case command == "-e":
		v.Backends[i] = in.backend(at, o, a)
	default:
		v.Backends = slices.Delete(v.Backends, i, i+1)
	}
}

// backend is what a call makes of a server.
func (in *ipvsadm) backend(at Place, o options, a netip.AddrPort) Backend {
	b := Backend{Place: at, Address: a, Weight: 1, Mode: "dr"}
	for option, mode := range map[string]string{"-g": "dr", "-i": "tun", "-m": "nat"} {
		if _, ok := o[option]; ok {
			b.Mode = mode
		}
	}
	for option, to := range map[string]*int{"-w": &b.Weight, "-x": &b.Upper, "-y": &b.Lower, "--tun-port": &b.Tunnel.Port} {
		if text, ok := o[option]; ok {
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 {
				in.note(at, Missing, "%s: %q is no number", option, text)
				continue
			}
			*to = n
		}
	}
	if t := o["--tun-type"]; t != "ipip" {
		b.Tunnel.Type = t
	}
	_, sum := o["--tun-csum"]
	_, rem := o["--tun-remcsum"]
	b.Tunnel.Checksum = sum || rem
	if rem {
		in.note(at, Changed, "--tun-remcsum: becomes a plain checksum of the outer header")
	}
	return b
}

// numeric reads an address and port. Names are what ipvsadm-save prints without -n.
func numeric(text string) (netip.AddrPort, error) {
	a, err := netip.ParseAddrPort(text)
	if err != nil {
		return a, fmt.Errorf("%q is no address and port in numbers: save with ipvsadm-save -n", text)
	}
	return a, nil
}

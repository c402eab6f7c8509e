package preflight

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// capability is one of the kernel's privileges and what it is for.
type capability struct {
	bit  uint
	name string
	why  string
}

var (
	netAdmin = capability{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN", "network interfaces"}
	netRaw   = capability{unix.CAP_NET_RAW, "CAP_NET_RAW", "frames of the kernel's interfaces"}
	ipcLock  = capability{unix.CAP_IPC_LOCK, "CAP_IPC_LOCK", "memory for DMA"}
	sysAdmin = capability{unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN", "AF_XDP, physical addresses"}
	bpf      = capability{unix.CAP_BPF, "CAP_BPF", "a program that makes a veth's other end split its frames"}
)

// needed are the privileges that the configuration's ports cannot do without.
func (m *Machine) needed() []capability {
	set := map[uint]capability{}
	need := func(all ...capability) {
		for _, c := range all {
			set[c.bit] = c
		}
	}
	for i := range m.Config.Ports {
		p := &m.Config.Ports[i]
		if p.TAP != "" {
			need(netAdmin)
		}
		switch driverOf(p.Device) {
		case "net_af_packet":
			need(netRaw, netAdmin)
		case "net_af_xdp":
			need(netRaw, netAdmin, sysAdmin)
		case "net_tap":
			need(netAdmin)
		case "net_pcap":
			if len(kernelInterfaces(p.Device)) > 0 {
				need(netRaw)
			}
		}
	}
	for _, p := range m.pciPorts() {
		if uio[m.target(pciDevices+"/"+p.address+"/driver")] {
			need(sysAdmin)
		}
		if m.lockable() < m.Config.Dataplane.MemoryMB {
			need(ipcLock)
		}
	}
	all := make([]capability, 0, len(set))
	for _, c := range set {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b capability) int { return cmp.Compare(a.bit, b.bit) })
	return all
}

func (m *Machine) has(c capability) bool {
	have, err := strconv.ParseUint(m.value("proc/self/status", "CapEff"), 16, 64)
	return err == nil && have&(1<<c.bit) != 0
}

func (m *Machine) checkCapabilities() []Result {
	var need []capability
	if m.Config == nil {
		need = []capability{netAdmin, netRaw, ipcLock}
	} else {
		need = m.needed()
	}
	var names, missing []string
	for _, c := range need {
		names = append(names, c.name)
		if !m.has(c) {
			missing = append(missing, c.name+" ("+c.why+")")
		}
	}
	switch {
	case len(need) == 0:
		return one(ok("none is needed"))
	case len(missing) == 0:
		return one(ok("this process has %s", strings.Join(names, ", ")))
	}
	r := found(wrongIf(m.Config != nil), "this process lacks %s", strings.Join(missing, ", "))
	if m.Config == nil {
		return one(r.run("sudo weir preflight"))
	}
	return one(r.run("sudo weir preflight -c %s", quoted(m.Config.File)))
}

// quoted is a word as a shell reads it back.
func quoted(word string) string {
	if strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@,=") == "" && word != "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

const unlimited = 1 << 40 // in MB and in files: more than there is

// limit reads the hard limit of a line of /proc/self/limits. Go raises the soft one to it.
func (m *Machine) limit(name string) int {
	for line := range strings.Lines(m.text("proc/self/limits")) {
		rest, ok := strings.CutPrefix(line, name)
		f := strings.Fields(rest)
		if !ok || len(f) < 2 {
			continue
		}
		if n, err := strconv.Atoi(f[1]); err == nil {
			return n
		}
	}
	return unlimited << 20
}

// lockable is how much memory this process may lock, in MB.
func (m *Machine) lockable() int { return m.limit("Max locked memory") >> 20 }

func (m *Machine) checkLimits() []Result {
	if m.Config == nil {
		return one(ok("%s", m.limitsInWords()))
	}
	var out []Result
	if len(m.pciPorts()) > 0 && m.lockable() < m.Config.Dataplane.MemoryMB && !m.has(ipcLock) {
		out = append(out, found(Wrong, "%d MB of memory may be locked, DMA needs %d MB", m.lockable(), m.Config.Dataplane.MemoryMB).
			run("ulimit -l unlimited"))
	}
	if have, need := m.limit("Max locked memory")>>10, m.ringsKB(); have < need && !m.has(ipcLock) {
		out = append(out, found(Wrong, "%d KB of memory may be locked, the rings of net_af_packet need %d KB", have, need).run("ulimit -l %d", need))
	}
	// Each check that is under way has a file, each port some, and the API and metrics one for each client.
	const besides = 256
	files := besides
	for i := range m.Config.Services {
		if s := &m.Config.Services[i]; s.Health != nil {
			files += len(s.Backends)
		}
	}
	if have := m.limit("Max open files"); have < files {
		out = append(out, found(Warning, "%d files may be open, %d are needed if every health check waits at one time", have, files).
			run("ulimit -Hn %d", files))
	}
	if out == nil {
		out = one(ok("%s", m.limitsInWords()))
	}
	return out
}

func (m *Machine) limitsInWords() string {
	words := func(n, most int, unit string) string {
		if n >= most {
			return "any number of" + unit
		}
		return strconv.Itoa(n) + unit
	}
	locked := words(m.lockable(), unlimited, " MB")
	if m.has(ipcLock) {
		locked = words(unlimited, unlimited, " MB")
	}
	return locked + " may be locked in memory, " + words(m.limit("Max open files"), unlimited<<20, " files") + " may be open"
}

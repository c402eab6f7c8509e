package sched

// flag is a word by which LVS's users set an option (ipvsadm --sched-flags).
type flag struct {
	name, scheduler string
	set             func(*Options)
}

var flags = []flag{
	{"sh-port", "sh", func(o *Options) { o.Ports = true }},
	{"sh-fallback", "sh", func(o *Options) { o.Fallback = true }},
	{"mh-port", "mh", func(o *Options) { o.Ports = true }},
	{"mh-fallback", "mh", func(o *Options) { o.Fallback = true }},
}

// Flags lists the flags that a scheduler takes; those of all schedulers for the name "".
func Flags(scheduler string) (names []string) {
	for i := range flags {
		if scheduler == "" || flags[i].scheduler == scheduler {
			names = append(names, flags[i].name)
		}
	}
	return names
}

// Set sets the option that a flag stands for. An unknown flag sets nothing.
func (o *Options) Set(name string) {
	for i := range flags {
		if flags[i].name == name {
			flags[i].set(o)
		}
	}
}

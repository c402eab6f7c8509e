package daemon

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/weirlb/weir/conf"
)

// backendName is a backend as operators name it.
type backendName struct {
	service string
	address netip.AddrPort
}

func (n backendName) String() string { return fmt.Sprintf("backend %s %s", n.service, n.address) }

// runtimeChange is what has been changed of a backend since the file was loaded.
type runtimeChange struct {
	added   bool // it is not in the file, and the configuration in force has it with base
	removed bool // it is in the file only
	drained bool
	base    int // weight of an added one
	weight  int // -1: as the configuration says
}

// unchanged is the change of a backend as the file has it.
var unchanged = runtimeChange{weight: -1}

// set is the weight that was given at run time.
func (c runtimeChange) set() (weight int, ok bool) {
	if c.drained {
		return 0, true
	}
	return c.weight, c.weight >= 0
}

// String is the change in words; empty for none.
func (c runtimeChange) String() string {
	var words []string
	if c.added {
		words = append(words, "added")
	}
	if c.removed {
		words = append(words, "removed")
	}
	switch {
	case c.drained:
		words = append(words, "drained")
	case c.weight >= 0:
		words = append(words, "weight")
	}
	return strings.Join(words, ",")
}

// runtimeChanges are the changes since the file was loaded. A map is never changed once others may see it.
type runtimeChanges map[backendName]runtimeChange

// with is the changes and one more.
func (r runtimeChanges) with(name backendName, c runtimeChange) runtimeChanges {
	out := maps.Clone(r)
	if out == nil {
		out = runtimeChanges{}
	}
	out[name] = c
	if c == unchanged {
		delete(out, name)
	}
	return out
}

func (r runtimeChanges) of(name backendName) runtimeChange {
	if c, ok := r[name]; ok {
		return c
	}
	return unchanged
}

// services are those of which some backend has another change in one than in the other.
func (r runtimeChanges) services(o runtimeChanges) map[string]bool {
	out := map[string]bool{}
	for name, c := range r {
		if o.of(name) != c {
			out[name.service] = true
		}
	}
	for name, c := range o {
		if r.of(name) != c {
			out[name.service] = true
		}
	}
	return out
}

func (r runtimeChanges) names() []backendName {
	return slices.SortedFunc(maps.Keys(r), func(a, b backendName) int {
		return cmp.Or(cmp.Compare(a.service, b.service), a.address.Compare(b.address))
	})
}

// lists are the changes of the lists of backends.
func (r runtimeChanges) lists() (edits []conf.Edit) {
	for _, name := range r.names() {
		switch c := r[name]; {
		case c.removed:
			edits = append(edits, conf.Edit{Service: name.service, Backend: name.address, Remove: true})
		case c.added:
			edits = append(edits, conf.Edit{Service: name.service, Backend: name.address, Weight: c.base})
		}
	}
	return edits
}

// edits are all changes, as the file would have them.
func (r runtimeChanges) edits() []conf.Edit {
	edits := r.lists()
	for _, name := range r.names() {
		if w, ok := r[name].set(); ok && !r[name].removed {
			edits = append(edits, conf.Edit{Service: name.service, Backend: name.address, Weight: w})
		}
	}
	return edits
}

// changed is the configuration with the lists of backends as they were changed.
func (r runtimeChanges) changed(file *conf.Config) (*conf.Config, error) {
	edits := r.lists()
	if len(edits) == 0 {
		return file, nil
	}
	return file.Edited(edits)
}

// document is the file with all changes written in.
func (r runtimeChanges) document(file *conf.Config) (*conf.Config, error) {
	if len(r) == 0 {
		return file, nil
	}
	return file.Edited(r.edits())
}

// renamed are the changes under the names that services have now; former are those that they had.
func (r runtimeChanges) renamed(former map[string]string) runtimeChanges {
	if len(former) == 0 {
		return r
	}
	now := make(map[string]string, len(former))
	for name, was := range former {
		now[was] = name
	}
	out := make(runtimeChanges, len(r))
	for name, c := range r {
		if n, ok := now[name.service]; ok {
			name.service = n
		}
		out[name] = c
	}
	return out
}

// keep are the changes that still have a meaning with another file.
func (r runtimeChanges) keep(file *conf.Config) runtimeChanges {
	changed := map[string]bool{}
	for name := range r {
		changed[name.service] = true
	}
	in := map[backendName]int{}
	services := map[string]bool{}
	for i := range file.Services {
		s := &file.Services[i]
		if !changed[s.Name] {
			continue
		}
		services[s.Name] = true
		for j := range s.Backends {
			in[backendName{s.Name, s.Backends[j].Address}] = s.Backends[j].Weight
		}
	}
	kept := runtimeChanges{}
	for _, name := range r.names() {
		c := r[name]
		weight, there := in[name]
		switch {
		case c.removed && there, c.added && !there && services[name.service], !c.removed && !c.added && there:
			kept[name] = c
		case c.added && there:
			c.added = false
			if c.weight < 0 && c.base != weight {
				c.weight = c.base
			}
			if c.weight == weight {
				c.weight = -1
			}
			if c.base = 0; c != unchanged {
				kept[name] = c
			}
		}
	}
	return kept
}

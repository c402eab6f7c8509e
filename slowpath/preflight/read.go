package preflight

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// text reads a file without the white space around it; what cannot be read is empty.
func (m *Machine) text(name string) string {
	b, err := fs.ReadFile(m.Root, name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// number reads a file of one number in decimal; what cannot be read is def.
func (m *Machine) number(name string, def int) int {
	n, err := strconv.Atoi(m.text(name))
	if err != nil {
		return def
	}
	return n
}

func (m *Machine) exists(name string) bool {
	_, err := fs.Stat(m.Root, name)
	return err == nil
}

// list names what is in a folder, sorted; there is nothing in one that cannot be read.
func (m *Machine) list(dir string) []string {
	entries, err := fs.ReadDir(m.Root, dir)
	if err != nil {
		return nil
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}

// target is the last element of what a symbolic link leads to, empty if there is no link.
func (m *Machine) target(link string) string {
	to, err := fs.ReadLink(m.Root, link)
	if err != nil {
		return ""
	}
	return path.Base(to)
}

// value is what follows "key:" in a file of such lines, such as /proc/meminfo.
func (m *Machine) value(name, key string) string {
	for line := range strings.Lines(m.text(name)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// numbers reads the kernel's lists of CPUs, nodes and the like: 0-3,8. Entries that make no sense are left out.
func numbers(list string) []int {
	const most = 1 << 16 // more than any kernel has; keeps a damaged list from filling the memory
	var out []int
	for part := range strings.SplitSeq(strings.TrimSpace(list), ",") {
		low, high, isRange := strings.Cut(part, "-")
		from, err := strconv.Atoi(low)
		if err != nil {
			continue
		}
		to := from
		if isRange {
			if to, err = strconv.Atoi(high); err != nil {
				continue
			}
		}
		if from < 0 || to > most {
			continue
		}
		for n := from; n <= to; n++ {
			out = append(out, n)
		}
	}
	return out
}

// written is a list of numbers as the kernel reads it.
func written(list []int) string {
	s := make([]string, len(list))
	for i, n := range list {
		s[i] = strconv.Itoa(n)
	}
	return strings.Join(s, ",")
}

func (m *Machine) isFolder(name string) bool {
	info, err := fs.Stat(m.Root, name)
	return err == nil && info.IsDir()
}

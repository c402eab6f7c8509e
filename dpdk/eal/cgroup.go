package eal

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// controlGroups are the directories of this process's control group (version 2) and of those above
// it, each of which may limit it. There are none where version 1 is in use.
func controlGroups(sys fs.FS) []string {
	own, err := fs.ReadFile(sys, "proc/self/cgroup")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(own)) {
		group, found := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !found {
			continue
		}
		var dirs []string
		for group = path.Join("/", group); ; group = path.Dir(group) {
			dirs = append(dirs, path.Join("sys/fs/cgroup", group))
			if group == "/" {
				return dirs
			}
		}
	}
	return nil
}

// groupLeft is how many bytes more of a resource, such as memory or hugetlb.2MB, the control groups
// leave to this process. limited is false if none of them has a limit.
func groupLeft(sys fs.FS, resource string) (left int, limited bool) {
	for _, dir := range controlGroups(sys) {
		text, err := fs.ReadFile(sys, path.Join(dir, resource+".max"))
		if err != nil {
			continue
		}
		limit, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			continue // "max"
		}
		used := readInt(sys, path.Join(dir, resource+".current"))
		if resource == "memory" {
			used -= pageCache(sys, dir)
		}
		if here := max(limit-used, 0); !limited || here < left {
			left, limited = here, true
		}
	}
	return left, limited
}

// pageCache is the part of a control group's memory that the kernel gives up when it is needed.
func pageCache(sys fs.FS, dir string) int {
	data, err := fs.ReadFile(sys, path.Join(dir, "memory.stat"))
	if err != nil {
		return 0
	}
	sum := 0
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if key == "active_file" || key == "inactive_file" {
			if n, err := strconv.Atoi(value); err == nil {
				sum += n
			}
		}
	}
	return sum
}

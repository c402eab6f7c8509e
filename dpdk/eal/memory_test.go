package eal

import (
	"fmt"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// machine is a fake /proc and /sys.
type machine fstest.MapFS

func newMachine(availableMB int) machine {
	m := machine{}
	m.file("proc/meminfo", fmt.Sprintf("MemTotal:       99999999 kB\nMemFree:               1 kB\nMemAvailable:   %d kB\n", availableMB*1024))
	return m
}

func (m machine) file(name, content string) machine {
	m[name] = &fstest.MapFile{Data: []byte(content + "\n")}
	return m
}

func (m machine) pages(kB, total, free, reserved int) machine {
	dir := fmt.Sprintf("sys/kernel/mm/hugepages/hugepages-%dkB/", kB)
	return m.file(dir+"nr_hugepages", fmt.Sprint(total)).
		file(dir+"free_hugepages", fmt.Sprint(free)).
		file(dir+"resv_hugepages", fmt.Sprint(reserved))
}

// in puts the process into a control group.
func (m machine) in(group string) machine { return m.file("proc/self/cgroup", "0::"+group) }

func TestPlanOfMemory(t *testing.T) {
	const echo = "run: echo %d > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
	huge := Memory{HugePages: true, MB: 512}
	small := func(note string) Memory { return Memory{MB: 512, Note: note} }
	for _, tc := range []struct {
		name  string
		pages Hugepages
		m     machine
		want  Memory
		err   string
	}{
		{name: "auto takes free huge pages", pages: HugepagesAuto, m: newMachine(0).pages(2048, 256, 256, 0), want: huge},
		{name: "empty is auto", m: newMachine(0).pages(2048, 256, 256, 0), want: huge},
		{name: "require takes them too", pages: HugepagesRequire, m: newMachine(0).pages(2048, 300, 256, 0), want: huge},
		{name: "off leaves them alone", pages: HugepagesOff, m: newMachine(512).pages(2048, 256, 256, 0), want: small("")},
		{name: "two sizes add up", pages: HugepagesRequire, m: newMachine(0).pages(2048, 128, 128, 0).pages(1<<20, 1, 1, 0), want: huge},
		{
			name: "auto without any says so", pages: HugepagesAuto, m: newMachine(512).pages(2048, 0, 0, 0),
			want: small("0 of 512 MB are free in huge pages: " + fmt.Sprintf(echo, 256)),
		},
		{
			name: "auto with too few adds to those there are", pages: HugepagesAuto, m: newMachine(512).pages(2048, 100, 60, 0),
			want: small("120 of 512 MB are free in huge pages: " + fmt.Sprintf(echo, 296)),
		},
		{
			name: "reserved ones are not free", pages: HugepagesRequire, m: newMachine(512).pages(2048, 256, 256, 1), want: small(""),
			err: "hugepages: require, memory_mb: 512: 510 of 512 MB are free in huge pages: " + fmt.Sprintf(echo, 257),
		},
		{
			name: "the command is for the smaller size", pages: HugepagesRequire, m: newMachine(512).pages(1<<20, 0, 0, 0).pages(2048, 0, 0, 0), want: small(""),
			err: "hugepages: require, memory_mb: 512: 0 of 512 MB are free in huge pages: " + fmt.Sprintf(echo, 256),
		},
		{
			name: "a kernel without huge pages, auto", pages: HugepagesAuto, m: newMachine(512),
			want: small("this kernel has no huge pages"),
		},
		{
			name: "a kernel without huge pages, require", pages: HugepagesRequire, m: newMachine(512), want: small(""),
			err: "hugepages: require, memory_mb: 512: this kernel has no huge pages",
		},
		{
			name: "off and too little memory", pages: HugepagesOff, m: newMachine(511), want: small(""),
			err: "memory_mb: 512 MB are wanted, but only 511 MB are available: lower memory_mb or free some memory",
		},
		{
			name: "auto, no huge pages and too little memory", pages: HugepagesAuto, m: newMachine(511),
			want: small("this kernel has no huge pages"),
			err:  "memory_mb: 512 MB are wanted, but only 511 MB are available: lower memory_mb or free some memory",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := planMemory(Options{Hugepages: tc.pages, MemoryMB: 512}, fstest.MapFS(tc.m))
			check(t, got, tc.want, err, tc.err)
		})
	}
}

func check(t *testing.T, got, want Memory, err error, wantErr string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("memory (-want +got):\n%s", diff)
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != wantErr {
		t.Errorf("error %q,\nwant  %q", text, wantErr)
	}
}

// A container often has no huge pages, or less memory, although its machine has plenty.
func TestPlanOfMemoryWithinAControlGroup(t *testing.T) {
	const group = "sys/fs/cgroup/system.slice/weir.service/"
	free := func() machine { return newMachine(4096).pages(2048, 1024, 1024, 0) }
	const mega = 1 << 20
	for _, tc := range []struct {
		name  string
		pages Hugepages
		m     machine
		want  Memory
		err   string
	}{
		{
			name: "no limit", pages: HugepagesRequire,
			m:    free().in("/system.slice/weir.service").file(group+"hugetlb.2MB.max", "max"),
			want: Memory{HugePages: true, MB: 512},
		},
		{
			name: "a limit that suffices", pages: HugepagesRequire,
			m: free().in("/system.slice/weir.service").file(group+"hugetlb.2MB.max", fmt.Sprint(600*mega)).
				file(group+"hugetlb.2MB.current", fmt.Sprint(88*mega)),
			want: Memory{HugePages: true, MB: 512},
		},
		{
			name: "a limit that does not", pages: HugepagesRequire,
			m: free().in("/system.slice/weir.service").file(group+"hugetlb.2MB.max", fmt.Sprint(600*mega)).
				file(group+"hugetlb.2MB.current", fmt.Sprint(100*mega)),
			want: Memory{MB: 512},
			err:  "hugepages: require, memory_mb: 512: 500 of 512 MB are left of the huge pages that this process's control group may use: raise its hugetlb.2MB.max",
		},
		{
			name: "a limit on reservations", pages: HugepagesAuto,
			m:    free().in("/system.slice/weir.service").file(group+"hugetlb.2MB.rsvd.max", "0"),
			want: Memory{MB: 512, Note: "0 of 512 MB are left of the huge pages that this process's control group may use: raise its hugetlb.2MB.max"},
		},
		{
			name: "a limit further up", pages: HugepagesAuto,
			m:    free().in("/system.slice/weir.service").file("sys/fs/cgroup/system.slice/hugetlb.2MB.max", "0"),
			want: Memory{MB: 512, Note: "0 of 512 MB are left of the huge pages that this process's control group may use: raise its hugetlb.2MB.max"},
		},
		{
			name: "a container sees its group as the root", pages: HugepagesAuto,
			m:    free().in("/").file("sys/fs/cgroup/hugetlb.2MB.max", "0"),
			want: Memory{MB: 512, Note: "0 of 512 MB are left of the huge pages that this process's control group may use: raise its hugetlb.2MB.max"},
		},
		{
			name: "too little memory", pages: HugepagesOff,
			m:    free().in("/").file("sys/fs/cgroup/memory.max", fmt.Sprint(512*mega)).file("sys/fs/cgroup/memory.current", fmt.Sprint(40*mega)),
			want: Memory{MB: 512},
			err:  "memory_mb: 512 MB are wanted, but this process's control group leaves only 472 MB: lower memory_mb or raise the group's memory.max",
		},
		{
			name: "cached files do not count", pages: HugepagesOff,
			m: free().in("/").file("sys/fs/cgroup/memory.max", fmt.Sprint(520*mega)).file("sys/fs/cgroup/memory.current", fmt.Sprint(520*mega)).
				file("sys/fs/cgroup/memory.stat", fmt.Sprintf("anon 0\nactive_file %d\ninactive_file %d\nslab 7", 256*mega, 256*mega)),
			want: Memory{MB: 512},
		},
		{
			name: "version 1 is not looked at", pages: HugepagesAuto,
			m:    free().file("proc/self/cgroup", "4:memory:/a\n1:cpu:/"),
			want: Memory{HugePages: true, MB: 512},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := planMemory(Options{Hugepages: tc.pages, MemoryMB: 512}, fstest.MapFS(tc.m))
			check(t, got, tc.want, err, tc.err)
		})
	}
}

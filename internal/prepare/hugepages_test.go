package prepare

import (
	"strings"
	"testing"
)

const (
	node0 = "sys/devices/system/node/node0/hugepages/hugepages-2048kB/"
	node1 = "sys/devices/system/node/node1/hugepages/hugepages-2048kB/"
	conf  = "etc/tmpfiles.d/weir-hugepages.conf"
)

// twoNodes is a machine with 10 pages of 2 MB on each node, of which 6 are in use, and one of 1 GB.
func twoNodes(t *testing.T) *machine {
	files := map[string]string{"proc/meminfo": "Hugepagesize:       2048 kB"}
	for _, d := range []string{node0, node1} {
		large := strings.Replace(d, "2048kB", "1048576kB", 1)
		files[d+"nr_hugepages"], files[d+"free_hugepages"] = "10", "4"
		files[large+"nr_hugepages"], files[large+"free_hugepages"] = "1", "1"
	}
	return newMachine(t, files)
}

func TestPagesAreReservedBesideThoseInUse(t *testing.T) {
	for args, want := range map[string][2]string{
		"512":                     {"134", "134"}, // 128 on each, of which 4 are free already
		"--node 1 512":            {"10", "262"},
		"100 --node 0":            {"56", "10"},
		"8 --node 0":              {"10", "10"}, // as many are free
		"3 --node 0 --size 2M":    {"10", "10"},
		"9 --node 0":              {"11", "10"}, // rounded up
		"--size 1G 2048":          {"10", "10"},
		"--node 0 --size 1G 2048": {"10", "10"},
	} {
		t.Run(args, func(t *testing.T) {
			m := twoNodes(t)
			said, code := m.script("hugepages", append([]string{"reserve"}, strings.Fields(args)...)...)
			if code != 0 || !strings.Contains(said, "are free") {
				t.Errorf("exit %d: %s", code, said)
			}
			if got := [2]string{m.read(node0 + "nr_hugepages"), m.read(node1 + "nr_hugepages")}; got != want {
				t.Errorf("pages of 2 MB on the nodes: %v, want %v", got, want)
			}
			large := m.read(strings.Replace(node0, "2048kB", "1048576kB", 1) + "nr_hugepages")
			if want := map[bool]string{true: "2", false: "1"}[strings.HasPrefix(args, "--node 0 --size 1G")]; large != want {
				t.Errorf("pages of 1 GB: %s", large)
			}
			if m.read(conf) != "" {
				t.Error("something is to be done at boot")
			}
		})
	}
}

func TestPagesAreReservedAtBootToo(t *testing.T) {
	m := twoNodes(t)
	for _, args := range []string{"--boot 512", "--boot --node 1 1024", "--boot --node 1 --size 1G 1024"} {
		if said, code := m.script("hugepages", append([]string{"reserve"}, strings.Fields(args)...)...); code != 0 || !strings.Contains(said, "at boot: ") {
			t.Fatalf("%s: exit %d: %s", args, code, said)
		}
	}
	want := `# Huge pages for Weir, written by scripts/hugepages.
w /sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages - - - - 134
w /sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages - - - - 642
w /sys/devices/system/node/node1/hugepages/hugepages-1048576kB/nr_hugepages - - - - 1`
	if got := m.read(conf); got != want {
		t.Errorf("at boot:\n%s\nwant\n%s", got, want)
	}
	if said, code := m.script("hugepages", "release"); code != 0 || m.read(conf) != "" {
		t.Errorf("release: exit %d: %s", code, said)
	}
}

func TestFreePagesAreGivenBack(t *testing.T) {
	m := twoNodes(t)
	if said, code := m.script("hugepages", "release"); code != 0 {
		t.Errorf("exit %d: %s", code, said)
	}
	if n := m.read(node0 + "nr_hugepages"); n != "6" {
		t.Errorf("%s pages are left, 6 are in use", n)
	}
}

func TestAMachineWithoutNodesHasPagesToo(t *testing.T) {
	const dir = "sys/kernel/mm/hugepages/hugepages-2048kB/"
	m := newMachine(t, map[string]string{"proc/meminfo": "Hugepagesize: 2048 kB", dir + "nr_hugepages": "0", dir + "free_hugepages": "0"})
	said, code := m.script("hugepages", "reserve", "64")
	if code != 0 || m.read(dir+"nr_hugepages") != "32" || !strings.Contains(said, "node -: 64 MB") {
		t.Errorf("exit %d: %s", code, said)
	}
}

func TestPagesThatCannotBeHadAreAnError(t *testing.T) {
	m := newMachine(t, map[string]string{
		"proc/meminfo": "Hugepagesize: 2048 kB", node0 + "free_hugepages": "2",
		node0 + "nr_hugepages": "-> /dev/null", // takes any number, and makes no page
	})
	said, code := m.script("hugepages", "reserve", "64")
	if code != 1 || !strings.Contains(said, "60 MB more were not to be had") {
		t.Errorf("exit %d: %s", code, said)
	}
}

func TestWhatCannotBeReservedIsSaid(t *testing.T) {
	for args, want := range map[string]string{
		"":             `"" is not a number of megabytes`,
		"lots":         `"lots" is not a number of megabytes`,
		"0":            `"0" is not a number of megabytes`,
		"64 --node 7":  "there is no NUMA node 7",
		"64 --node x":  `--node takes the number of a NUMA node, not "x"`,
		"64 --node":    `--node takes the number of a NUMA node, not ""`,
		"64 --size 4K": `--size is 2M or 1G, not "4K"`,
		"64 --size":    `--size is 2M or 1G`,
	} {
		t.Run(args, func(t *testing.T) {
			m := twoNodes(t)
			said, code := m.script("hugepages", append([]string{"reserve"}, strings.Fields(args)...)...)
			if code != 1 || !strings.Contains(said, want) {
				t.Errorf("exit %d: %s", code, said)
			}
			if m.read(node0+"nr_hugepages") != "10" {
				t.Error("pages were reserved")
			}
		})
	}
}

func TestShowListsThePagesOfEveryNode(t *testing.T) {
	said, code := twoNodes(t).script("hugepages", "show")
	want := `NODE  SIZE        PAGES     FREE  FREE MB
0     1024M           1        1     1024
0     2M             10        4        8
1     1024M           1        1     1024
1     2M             10        4        8
`
	if code != 0 || said != want {
		t.Errorf("exit %d:\n%swant\n%s", code, said, want)
	}
}

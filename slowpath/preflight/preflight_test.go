package preflight

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func TestNothingIsWrongWhereEverythingIsThere(t *testing.T) {
	for _, r := range Run(machine(t, ready(), twoNICs)) {
		if r.Status != OK || r.Mend != "" || r.Check == "" || r.Found == "" {
			t.Errorf("%+v", r)
		}
	}
}

func TestWithoutAConfigurationNothingIsWrong(t *testing.T) {
	for name, files := range map[string]tree{"a ready machine": ready(), "nothing at all": {}} {
		t.Run(name, func(t *testing.T) {
			m := machine(t, files, "")
			if name == "nothing at all" {
				m.DPDK = ""
			}
			for _, r := range Run(m) {
				if r.Status == Wrong {
					t.Errorf("%+v", r)
				}
			}
		})
	}
}

func TestAMachineWithoutAnyFilesIsLookedAtToTheEnd(t *testing.T) {
	m := &Machine{Root: fstest.MapFS{}, Config: config(t, twoNICs)}
	results := Run(m)
	checks := map[string]bool{}
	for _, r := range results {
		checks[r.Check] = true
		if r.Status != OK && r.Mend == "" {
			t.Errorf("nothing mends %+v", r)
		}
	}
	for _, want := range []string{"dpdk", "hugepages", "iommu", "vfio", "nic", "core", "capabilities", "tap"} {
		if !checks[want] {
			t.Errorf("nothing was said about %s", want)
		}
	}
	if Count(results, Wrong) == 0 {
		t.Error("nothing is wrong")
	}
}

func TestTextHasALineForEachResult(t *testing.T) {
	var b bytes.Buffer
	err := WriteText(&b, []Result{
		{Check: "cpu", Status: OK, Found: "an \x1b[31m evil\nname"},
		{Check: "vfio", Status: Wrong, Found: "vfio-pci is not loaded", Mend: "modprobe vfio-pci", Command: true},
		{Check: "numa", Status: Warning, Found: "far", Mend: "name others"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `ok       cpu   an ?[31m evil?name
WRONG    vfio  vfio-pci is not loaded: run: modprobe vfio-pci
warning  numa  far: name others
1 of 3 are wrong: Weir would not start; warnings: 1.
`
	if b.String() != want {
		t.Errorf("wrote\n%swant\n%s", b.String(), want)
	}
}

func TestJSONHasTheSame(t *testing.T) {
	var b bytes.Buffer
	want := []Result{{Check: "vfio", Status: Wrong, Found: "not <loaded>", Mend: "modprobe vfio-pci && true", Command: true}}
	if err := WriteJSON(&b, want); err != nil {
		t.Fatal(err)
	}
	var got []Result
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) || !strings.Contains(b.String(), `"not <loaded>"`) {
		t.Errorf("got %+v from %s", got, b.String())
	}
}

func TestListsOfTheKernel(t *testing.T) {
	for in, want := range map[string]string{
		"0-3,8\n": "0,1,2,3,8", "": "", "5": "5", "x": "", "3-1": "", "1-y,2": "2", "-1": "", "0-99999999999": "",
	} {
		if got := written(numbers(in)); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
	if n := len(numbers("0-4000000000")); n > 1<<17 {
		t.Errorf("%d numbers", n)
	}
}

func TestFileNamesAreQuotedForTheShell(t *testing.T) {
	for in, want := range map[string]string{
		"/etc/weir/weir.yaml": "/etc/weir/weir.yaml", "my file": "'my file'", "it's": `'it'\''s'`, "": "''", "$(x)": "'$(x)'",
	} {
		if got := quoted(in); got != want {
			t.Errorf("%q is quoted as %s", in, got)
		}
	}
}

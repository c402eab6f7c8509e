package vm

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

// carriesHTTP fetches and sends files that take many segments, so that a wrong checksum, a packet too large for a tunnel,
// or a reply that went the wrong way shows.
func (m *machine) carriesHTTP() {
	dir := m.t.TempDir()
	upload, got := filepath.Join(dir, "upload"), filepath.Join(dir, "got")
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<14)
	if err := os.WriteFile(upload, sent, 0o644); err != nil {
		m.t.Fatal(err)
	}
	for _, s := range services {
		url := "http://" + s.vip + "/"
		served := map[string]int{}
		for i := range 12 {
			args := []string{"-o", got, url}
			switch i % 3 {
			case 1:
				args = []string{"-o", got, url + "1m"}
			case 2:
				args = []string{"-o", got, "-T", upload, url + "put/upload"}
			}
			server, err := m.curl(args...)
			if err != nil {
				m.t.Fatalf("%s: %v", s.mode, err)
			}
			served[server]++
			if err := m.compare(server, i%3, got, sent); err != nil {
				m.t.Errorf("%s to %s: %v", s.mode, s.vip, err)
			}
		}
		// Each worker takes turns for itself: how the requests fall to the two is chance.
		if served["rs1"] == 0 || served["rs2"] == 0 || served["rs1"]+served["rs2"] != 12 {
			m.t.Errorf("%s to %s: served %v", s.mode, s.vip, served)
		}
	}
	m.accounted()
}

// compare looks whether what was fetched or sent arrived as it was.
func (m *machine) compare(server string, kind int, file string, sent []byte) error {
	want, have := []byte(server+"\n"), file
	var err error
	switch kind {
	case 1:
		if want, err = os.ReadFile(m.file(server, "www", "1m")); err != nil {
			return err
		}
	case 2:
		want, have = sent, m.file(server, "www", "put", "upload")
	}
	got, err := os.ReadFile(have)
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("%d bytes arrived, not the %d sent", len(got), len(want))
	}
	return err
}

// worker is a line of weir show workers.
type worker struct {
	In         int    `json:"packets_in"`
	Out        int    `json:"packets_out"`
	Own        int    `json:"packets_own"`
	Dropped    int    `json:"packets_dropped"`
	Punted     int    `json:"packets_punted"`
	HandedOver int    `json:"packets_handed_over"`
	Steering   string `json:"steering"`
}

func (m *machine) workers() (all []worker) {
	m.t.Helper()
	m.read(api+"workers", &all)
	if len(all) != 2 {
		m.t.Fatalf("%d workers", len(all))
	}
	return all
}

// accounted waits until in = out + punted + dropped - own over all workers.
func (m *machine) accounted() {
	m.t.Helper()
	m.until("in = out + punted + dropped - own", func() bool {
		left := 0
		for _, w := range m.workers() {
			left += w.In + w.Own - w.Out - w.Punted - w.Dropped
		}
		return left == 0
	})
}

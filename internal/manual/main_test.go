package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestPagesAreWhatTheCodeSays(t *testing.T) {
	for name, page := range pages {
		have, err := os.ReadFile(filepath.Join("../../docs", name))
		if err != nil {
			t.Fatal(err)
		}
		if string(have) != page() {
			t.Errorf("docs/%s has fallen behind: make docs", name)
		}
	}
}

package main

import (
	"os"
	"testing"
)

func TestPageOfReasonsIsWhatTheCodeSays(t *testing.T) {
	page, err := os.ReadFile("../../docs/reasons.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != reasons() {
		t.Error("docs/reasons.md has fallen behind: make docs")
	}
}

package capture

import (
	"strings"
	"testing"

	"github.com/weirlb/weir/fastpath/reason"
	"github.com/weirlb/weir/slowpath/view"
)

func TestAFileWithoutRoomForAPacketIsRefused(t *testing.T) {
	for size, ok := range map[int64]bool{0: true, 10: false, minSize - 1: false, minSize: true} {
		_, err := tapOptions(&view.CaptureRequest{MaxSize: size}, 1)
		if (err == nil) != ok {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func TestReasonsAreNamedAsEverywhere(t *testing.T) {
	kinds := map[string]int{}
	for r := range reason.Count {
		got, err := reasonsNamed(r.String())
		if err != nil || len(got) != 1 || got[0] != r {
			t.Errorf("%v: %v, %v", r, got, err)
		}
		if !r.Drop() && !r.Punt() && !r.Answer() {
			t.Errorf("%v is neither a drop nor a punt nor an answer", r)
		}
		for kind, is := range map[string]bool{"dropped": r.Drop(), "punted": r.Punt(), "answered": r.Answered()} {
			if is {
				kinds[kind]++
			}
		}
	}
	for kind, n := range kinds {
		if got, err := reasonsNamed(kind); err != nil || len(got) != n {
			t.Errorf("%s: %d reasons, want %d: %v", kind, len(got), n, err)
		}
	}
	if _, err := reasonsNamed("lost"); err == nil || !strings.Contains(err.Error(), "weir show drops has their names") {
		t.Errorf("%v", err)
	}
}

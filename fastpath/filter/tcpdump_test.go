package filter

import (
	"bytes"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// TestExpressionsMeanWhatTcpdumpTakesThemFor lets tcpdump choose among the same frames.
func TestExpressionsMeanWhatTcpdumpTakesThemFor(t *testing.T) {
	tcpdump, err := exec.LookPath("tcpdump")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("tcpdump (scripts/setup demo) is missing")
		}
		t.Skip("SKIPPED, NOT TESTED: tcpdump (scripts/setup demo) is missing")
	}
	var file bytes.Buffer
	w := pcapgo.NewWriter(&file)
	if err := w.WriteFileHeader(1<<16, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	all := frames(t)
	for i, f := range all {
		ci := gopacket.CaptureInfo{CaptureLength: len(f), Length: len(f), Timestamp: number(i)}
		if err := w.WritePacket(ci, f); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range same {
		t.Run(text, func(t *testing.T) {
			want := bytes.Repeat([]byte("0"), len(all))
			for _, i := range chosen(t, tcpdump, file.Bytes(), text) {
				want[i] = '1'
			}
			if got := matches(t, text); got != string(want) {
				t.Errorf("chosen are\n%s, by tcpdump\n%s", got, want)
			}
		})
	}
}

// number is a frame's place in the file, as its time.
func number(i int) time.Time { return time.Unix(int64(i), 0) }

// chosen are the places of the frames that tcpdump takes.
func chosen(t *testing.T, tcpdump string, file []byte, text string) (out []int64) {
	t.Helper()
	cmd := exec.Command(tcpdump, "-n", "-r", "-", "-w", "-", text)
	cmd.Stdin = bytes.NewReader(file)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	b, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	r, err := pcapgo.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for {
		_, ci, err := r.ReadPacketData()
		if err != nil {
			return out
		}
		out = append(out, ci.Timestamp.Unix())
	}
}

package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// decode takes a frame apart with a library that knows nothing of this package.
func decode(t *testing.T, frame []byte) (from, to netip.AddrPort) {
	t.Helper()
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	if e := p.ErrorLayer(); e != nil {
		t.Fatal(e.Error())
	}
	udp, ok := p.TransportLayer().(*layers.UDP)
	if !ok {
		t.Fatalf("no UDP: %v", p)
	}
	if err := udp.SetNetworkLayerForChecksum(p.NetworkLayer()); err != nil {
		t.Fatal(err)
	}
	again := gopacket.NewSerializeBuffer()
	fill := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializePacket(again, fill, p); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.Bytes(), frame) {
		t.Errorf("with lengths and checksums made anew\n%x is\n%x", frame, again.Bytes())
	}
	flow := p.NetworkLayer().NetworkFlow()
	src, _ := netip.AddrFromSlice(flow.Src().Raw())
	dst, _ := netip.AddrFromSlice(flow.Dst().Raw())
	return netip.AddrPortFrom(src, uint16(udp.SrcPort)), netip.AddrPortFrom(dst, uint16(udp.DstPort))
}

func TestFramesAreWhatTheyShouldBe(t *testing.T) {
	for _, f := range families {
		for _, flow := range []uint64{0, 1, 15, 16, 255, 65_535, 1<<24 - 1, 1 << 24, 1<<39 - 1} {
			for _, size := range []int{0, 590, 1514, 601} {
				k := int(flow % services)
				service := netip.AddrPortFrom(f.vip, uint16(vipPort+k))
				frame := f.frame(nil, packet{flow: flow, size: size})
				if from, to := decode(t, frame); from != f.client(flow) || to != service {
					t.Errorf("%s flow %d: %v > %v", f.name, flow, from, to)
				}
				frame = f.frame(nil, packet{flow: flow, size: size, reply: true})
				if from, to := decode(t, frame); from != f.backend(k, true) || to != f.client(flow) {
					t.Errorf("%s flow %d: reply %v > %v", f.name, flow, from, to)
				}
				if want := max(size, frameLen); len(frame) != want {
					t.Errorf("%d bytes, want %d", len(frame), want)
				}
			}
		}
	}
}

func TestNoTwoConnectionsHaveTheSameClient(t *testing.T) {
	seen := map[netip.AddrPort]uint64{}
	for _, high := range []uint64{0, 1, 2, 1000, 1<<15 - 1} {
		for low := range uint64(2000) {
			flow := high<<clientBits | low
			c := families[0].client(flow)
			if other, there := seen[c]; there {
				t.Fatalf("flows %d and %d are both of %v", other, flow, c)
			}
			if c.Port() < firstPort {
				t.Fatalf("flow %d comes from port %d", flow, c.Port())
			}
			seen[c] = flow
		}
	}
}

func TestASequenceHasEveryConnectionEquallyOften(t *testing.T) {
	count := map[packet]int{}
	for _, p := range sequence(256, true, false, nil) {
		count[p]++
	}
	if len(count) != 512 {
		t.Errorf("%d different packets of 256 connections, both directions", len(count))
	}
	for p, n := range count {
		if n != leastPackets/512 {
			t.Fatalf("%+v comes %d times", p, n)
		}
	}
}

func TestASequenceIsTheSameEveryTime(t *testing.T) {
	a, b := sequence(300, false, true, nil), sequence(300, false, true, nil)
	if fmt.Sprint(a) != fmt.Sprint(b) {
		t.Error("two sequences of the same traffic differ")
	}
}

func TestWorkersShareConnectionsWithoutOverlap(t *testing.T) {
	owners := map[uint64]int{}
	for worker := range 2 {
		for _, p := range sequence(1024, true, false, families[1].ownedBy(worker, 2)) {
			if other, there := owners[p.flow]; there && other != worker {
				t.Fatalf("flow %d belongs to both", p.flow)
			}
			owners[p.flow] = worker
		}
	}
	if len(owners) != 2048 {
		t.Errorf("%d connections", len(owners))
	}
}

func TestTheMixHasSevenSmallFourMiddleAndOneLargeFrame(t *testing.T) {
	count := map[int]int{}
	for _, size := range imix {
		count[size]++
	}
	if count[frameLen] != 7 || count[590] != 4 || count[1514] != 1 {
		t.Errorf("%v", count)
	}
}

func TestCapturesAreReadByOthers(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.pcap")
	packets := sequence(16, false, false, nil)
	if err := writePcap(name, families[0], packets); err != nil {
		t.Fatal(err)
	}
	frames := readPcap(t, name)
	if len(frames) != len(packets) {
		t.Fatalf("%d frames of %d", len(frames), len(packets))
	}
	for i, p := range packets {
		if !bytes.Equal(frames[i], families[0].frame(nil, p)) {
			t.Fatalf("frame %d differs", i)
		}
	}
}

// compileC compiles a program around bench/source/frame.h and gives its output.
func compileC(t *testing.T, body string) string {
	t.Helper()
	cc, err := exec.LookPath("gcc")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("gcc (scripts/setup build) is missing")
		}
		t.Skip("SKIPPED, NOT TESTED: gcc (scripts/setup build) is missing")
	}
	dir := t.TempDir()
	source := filepath.Join(dir, "main.c")
	if err := os.WriteFile(source, []byte("#include \"frame.h\"\n#include <stdio.h>\n"+body), 0o644); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "main")
	out, err := exec.Command(cc, "-std=gnu11", "-O2", "-Wall", "-Werror", "-Wno-unused-function", "-I../source", "-o", program, source).CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	out, err = exec.Command(program).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestTheSourceMakesTheSameFrames(t *testing.T) {
	flows := []uint64{0, 1, 7, 16, 255, 65_535, 1<<24 - 1, 1<<24 + 5, 1<<39 - 1}
	var list []string
	for _, n := range flows {
		list = append(list, fmt.Sprintf("%dULL", n))
	}
	out := compileC(t, `
int main(void)
{
	uint64_t flows[] = { `+strings.Join(list, ", ")+` };

	for (int v6 = 0; v6 < 2; v6++)
		for (unsigned i = 0; i < sizeof(flows) / sizeof(flows[0]); i++)
			for (int reply = 0; reply < 2; reply++) {
				struct template t;
				uint8_t frame[FRAME_LEN];

				make_template(&t, v6, flows[i] % SERVICES, reply);
				write_frame(frame, &t, flows[i]);
				for (int j = 0; j < FRAME_LEN; j++)
					printf("%02x", frame[j]);
				printf("\n");
			}
}
`)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for _, f := range families {
		for _, flow := range flows {
			for _, reply := range []bool{false, true} {
				want := hex.EncodeToString(f.frame(nil, packet{flow: flow, reply: reply}))
				if lines[0] != want {
					t.Errorf("%s flow %d, reply %t:\n%s, want\n%s", f.name, flow, reply, lines[0], want)
				}
				lines = lines[1:]
			}
		}
	}
}

func TestTheSourceComesByEveryConnection(t *testing.T) {
	out := compileC(t, `
int main(void)
{
	for (int bits = 4; bits <= 20; bits++) {
		static uint8_t seen[1 << 20];
		struct walk w;
		int n = 0;

		memset(seen, 0, sizeof(seen));
		start_walk(&w, bits, 12345);
		for (int i = 0; i < 1 << bits; i++)
			seen[step(&w)] = 1;
		for (int i = 0; i < 1 << bits; i++)
			n += seen[i];
		printf("%d ", n - (1 << bits));
	}
}
`)
	if strings.Trim(out, "0 ") != "" {
		t.Errorf("missing of 2^4, 2^5, ...: %s", out)
	}
}

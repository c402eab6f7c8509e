package ethdev

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/google/gopacket"
	"github.com/google/gopacket/pcapgo"
)

// preloaded is how many buffers the driver fills before the first frame is received: net_pcap with
// infinite_rx=1 reads its captures into buffers at the start and keeps handing out copies.
func (d device) preloaded() (int, error) {
	infinite := d.values("infinite_rx")
	if d.driver != "net_pcap" || len(infinite) != 1 {
		return 0, nil
	}
	if n, err := strconv.Atoi(infinite[0]); err != nil || n <= 0 {
		return 0, nil
	}
	total := 0
	for _, name := range d.values("rx_pcap") {
		n, err := countPackets(name)
		if err != nil {
			return 0, fmt.Errorf("counting the packets of %s: %w", name, err)
		}
		total += n
	}
	return total, nil
}

func countPackets(name string) (int, error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r, err := newReader(bufio.NewReaderSize(f, 1<<20))
	if err != nil {
		return 0, err
	}
	for n := 0; ; n++ {
		_, _, err := r.ZeroCopyReadPacketData()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return n, nil // a capture cut short: libpcap stops there too
		case err != nil:
			return 0, err
		}
	}
}

// newReader reads pcap and pcapng, as libpcap does.
func newReader(r *bufio.Reader) (gopacket.ZeroCopyPacketDataSource, error) {
	const sectionHeader = "\x0a\x0d\x0d\x0a" // of pcapng, in either byte order
	if magic, err := r.Peek(len(sectionHeader)); err == nil && string(magic) == sectionHeader {
		return pcapgo.NewNgReader(r, pcapgo.DefaultNgReaderOptions)
	}
	return pcapgo.NewReader(r)
}

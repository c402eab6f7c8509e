package ipvs

import (
	"bytes"
	"compress/gzip"
	"encoding/gob"
	"fmt"
	"hash/crc32"
	"os"
)

// Recording is what a balancer did in scenarios.
type Recording struct {
	Kernel string // its release
	Runs   []Performance
}

// Performance is what it did in one.
type Performance struct {
	Scenario string
	Events   []Recorded
}

// Recorded is an Event without the packet that came in, which the scenario makes anew.
type Recorded struct {
	Step  int
	In    uint32 // Sum of the packet; 0: there was none
	Out   []Frame
	Table *Table
}

// Record is events as they are recorded.
func Record(events []Event) (out []Recorded) {
	for _, e := range events {
		out = append(out, Recorded{e.Step, e.In.Sum(), e.Out, e.Table})
	}
	return out
}

// Sum tells frames apart; 0 if there is none.
func (f *Frame) Sum() uint32 {
	if f == nil {
		return 0
	}
	return max(1, crc32.ChecksumIEEE(append([]byte(f.Port), f.Data...)))
}

// WriteFile stores a recording, a plan or an outcome.
func WriteFile[T Recording | Plan | Outcome](file string, v *T) error {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return err
	}
	if err := gob.NewEncoder(z).Encode(v); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(file, b.Bytes(), 0o644)
}

// ReadFile reads one back.
func ReadFile[T Recording | Plan | Outcome](file string) (*T, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	v := new(T)
	if err := gob.NewDecoder(z).Decode(v); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return v, nil
}

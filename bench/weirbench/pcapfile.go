package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"os"
)

// writePcap writes packets as a capture of Ethernet frames.
func writePcap(name string, f *family, packets []packet) (err error) {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	w := bufio.NewWriterSize(file, 1<<20)
	head := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	head = binary.LittleEndian.AppendUint32(head, 2|4<<16) // version 2.4
	head = append(head, make([]byte, 8)...)
	head = binary.LittleEndian.AppendUint32(head, 1<<16) // the longest frame
	head = binary.LittleEndian.AppendUint32(head, 1)     // Ethernet
	if _, err := w.Write(head); err != nil {
		return err
	}
	const recordLen = 16
	var record []byte
	for _, p := range packets {
		record = append(record[:0], make([]byte, recordLen)...)
		record = f.frame(record, p)
		n := uint32(len(record) - recordLen)
		binary.LittleEndian.PutUint32(record[8:], n)
		binary.LittleEndian.PutUint32(record[12:], n)
		if _, err := w.Write(record); err != nil {
			return err
		}
	}
	return w.Flush()
}

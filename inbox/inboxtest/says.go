package inboxtest

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// Says returns a plugin that answers every event with the same output: a command that writes a text to its standard output.
func Says(output string) []byte {
	section := func(id byte, items ...[]byte) []byte {
		return append([]byte{id}, sized(append(number(len(items)), bytes.Join(items, nil)...))...)
	}
	const at = 16 // where the output is in memory, behind the one buffer of fd_write and the number of written bytes
	memory := binary.LittleEndian.AppendUint32(nil, at)
	memory = binary.LittleEndian.AppendUint32(memory, uint32(len(output)))
	memory = append(append(memory, make([]byte, at-len(memory))...), output...)
	pages := number(len(memory)/(64<<10) + 1)
	write := []byte{0x41, 1, 0x41, 0, 0x41, 1, 0x41, 8, 0x10, 0, 0x1a} // fd_write(1, 0, 1, 8), and drop the result
	return slices.Concat(magic,
		section(1, nothing, []byte{0x60, 4, 0x7f, 0x7f, 0x7f, 0x7f, 1, 0x7f}),
		section(2, slices.Concat(sized([]byte("wasi_snapshot_preview1")), sized([]byte("fd_write")), []byte{0, 1})),
		section(3, []byte{0}),
		section(5, append([]byte{0}, pages...)),
		section(7, exported("_start", 0, 1), exported("memory", 2, 0)),
		section(10, body(nil, write)),
		section(11, slices.Concat([]byte{0, 0x41, 0}, end, sized(memory))),
	)
}

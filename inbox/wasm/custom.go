package wasm

import (
	"encoding/binary"
	"slices"
)

// Custom returns what the custom section of that name holds; nil when the module has none. Several are refused: which of
// them counts would be anybody's guess. So is one of more than most bytes. Only the module's framing is read.
func Custom(wasm []byte, name string, most int) ([]byte, error) {
	var found []byte
	err := sections(wasm, func(title string, body, _ []byte) error {
		switch {
		case title != name:
		case found != nil:
			return refuse("leave one", "the module has several sections %s", name)
		case len(body) > most:
			return refuse("make it shorter", "the section %s has %d bytes, more than %d", name, len(body), most)
		default:
			found = append([]byte{}, body...)
		}
		return nil
	})
	return found, err
}

// WithCustom returns the module with a custom section of that name at its end, in place of those it had.
func WithCustom(wasm []byte, name string, body []byte) ([]byte, error) {
	out := slices.Clone(wasm[:min(len(wasm), 8)])
	err := sections(wasm, func(title string, _, whole []byte) error {
		if title != name {
			out = append(out, whole...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	content := append(binary.AppendUvarint(nil, uint64(len(name))), name...)
	content = append(content, body...)
	out = binary.AppendUvarint(append(out, sectionCustom), uint64(len(content)))
	return append(out, content...), nil
}

// sections calls fn with every section of a module: for a custom one its name and what it holds, and the whole of each.
func sections(wasm []byte, fn func(custom string, body, whole []byte) error) error {
	if err := checkHeader(wasm); err != nil {
		return err
	}
	for r := (&reader{b: wasm[8:]}); len(r.b) > 0; {
		rest := r.b
		id := r.byte()
		body := r.bytes(r.u32())
		if r.err != nil {
			return damaged(r.err)
		}
		title := ""
		if id == sectionCustom {
			c := &reader{b: body}
			if title = string(c.bytes(c.u32())); c.err != nil {
				return damaged(c.err)
			}
			body = c.b
		}
		if err := fn(title, body, rest[:len(rest)-len(r.b)]); err != nil {
			return err
		}
	}
	return nil
}

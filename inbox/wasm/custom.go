package wasm

import (
	"encoding/binary"
	"slices"
)

// Custom returns the content of the custom section with a name, nil when the module has none. Several sections of that name are
// an error, because it would be unclear which counts. A section of more than limit bytes is an error too. Custom reads only the
// framing of the module.
func Custom(file []byte, name string, limit int) ([]byte, error) {
	var found []byte
	err := sections(file, func(title string, body, _ []byte) error {
		switch {
		case title != name:
		case found != nil:
			return refuse("leave one", "the module has several sections %s", name)
		case len(body) > limit:
			return refuse("make it shorter", "the section %s has %d bytes, more than %d", name, len(body), limit)
		default:
			found = append([]byte{}, body...)
		}
		return nil
	})
	return found, err
}

// WithCustom returns the module with a custom section of a name at its end. It replaces the sections of that name.
func WithCustom(file []byte, name string, body []byte) ([]byte, error) {
	out := slices.Clone(file[:min(len(file), 8)])
	err := sections(file, func(title string, _, whole []byte) error {
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

// sections calls fn for every section of a module: with the name and content of a custom section, and with the whole section.
func sections(file []byte, fn func(custom string, body, whole []byte) error) error {
	if err := checkHeader(file); err != nil {
		return err
	}
	for r := (&reader{b: file[8:]}); len(r.b) > 0; {
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

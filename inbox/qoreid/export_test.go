package qoreid

import "iter"

// Valid and Find are the walkers over raw JSON, to be held against encoding/json.
var Valid = valid

// Find returns the raw value at a pointer.
func Find(text []byte, pointer string) ([]byte, bool) {
	at, ok := find(text, pointer)
	return at.of(text), ok
}

// Word is how a raw scalar is read.
var Word = word

// Members yields the names and raw values of an object.
func Members(text []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) {
		for name, at := range members(text) {
			if !yield(name, at.of(text)) {
				return
			}
		}
	}
}

package document

import "inbox/inbox/rawjson"

// Texts are what a guest may read of its event beside the document: the texts that were left out of it. They are parts
// of the payload and are copied into the guest alone, but for those that have escapes. It belongs to the guest's
// goroutine.
type Texts struct {
	withheld []withheld
	index    map[string]int // of left, by pointers; made when the guest first asks
	decoded  map[int][]byte // of left, what had to be decoded
}

// Len returns how many texts were left out.
func (t *Texts) Len() int { return len(t.withheld) }

// Listed reports whether Find was called before: its first call takes time by [Texts.Len].
func (t *Texts) Listed() bool { return t.index != nil }

// Find returns what was left out at a pointer.
func (t *Texts) Find(pointer []byte) (i int, ok bool) {
	if t.index == nil {
		t.index = make(map[string]int, len(t.withheld))
		for i := range t.withheld {
			t.index[t.withheld[i].pointer] = i
		}
	}
	i, ok = t.index[string(pointer)]
	return i, ok
}

// Text returns what was left out. One with escapes is decoded once, which is paid for.
func (t *Texts) Text(i int, pay func(int64)) []byte {
	w := &t.withheld[i]
	switch {
	case w.text:
		return w.raw
	case w.size == len(w.raw)-len(`""`):
		return w.raw[1 : len(w.raw)-1]
	}
	if t.decoded[i] == nil {
		pay(int64(len(w.raw)))
		if t.decoded == nil {
			t.decoded = map[int][]byte{}
		}
		t.decoded[i] = rawjson.Unquote(w.raw)
	}
	return t.decoded[i]
}

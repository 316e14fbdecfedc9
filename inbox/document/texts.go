package document

import "inbox/inbox/rawjson"

// Withheld are the texts that were left out of a document. It does not change, and is small to keep.
type Withheld struct{ list []withheld }

// Texts returns the texts for a guest to read.
func (w Withheld) Texts() Texts { return Texts{withheld: w.list} }

// Texts are the texts that were left out of a document, which the guest may read. They point into the payload; only texts with
// escapes are copied. The zero value is empty. Texts is not safe for concurrent use.
type Texts struct {
	withheld []withheld
	index    map[string]int // of withheld, by pointer; made by the first Find
	decoded  map[int][]byte // texts with escapes, by index of withheld
}

// Len returns how many texts were left out.
func (t *Texts) Len() int { return len(t.withheld) }

// Listed reports whether Find was called before. The first call of Find takes time in proportion to [Texts.Len].
func (t *Texts) Listed() bool { return t.index != nil }

// Find returns the index of the text at a JSON pointer. ok is false for a pointer to anything else.
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

// Text returns the text with an index that Find returned. A text with escapes is decoded once; pay is called before that with
// its length in bytes.
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

package document

import "inbox/inbox/rawjson"

// Texts are what a guest may read of its event beside the document: the texts that were left out of it. They are parts
// of the payload and are copied into the guest alone, but for those that have escapes. It belongs to the guest's
// goroutine.
type Texts struct {
	left  []withheld
	at    map[string]int // of left, by pointers; made when the guest first asks
	plain map[int][]byte // of left, what had to be decoded
}

// Len returns how many texts were left out.
func (t *Texts) Len() int { return len(t.left) }

// Listed reports whether Find was called before: its first call takes time by [Texts.Len].
func (t *Texts) Listed() bool { return t.at != nil }

// Find returns what was left out at a pointer.
func (t *Texts) Find(pointer []byte) (i int, ok bool) {
	if t.at == nil {
		t.at = make(map[string]int, len(t.left))
		for i := range t.left {
			t.at[t.left[i].pointer] = i
		}
	}
	i, ok = t.at[string(pointer)]
	return i, ok
}

// Text returns what was left out. One with escapes is decoded once, which is paid for.
func (t *Texts) Text(i int, pay func(int64)) []byte {
	w := &t.left[i]
	switch {
	case w.text:
		return w.raw
	case w.size == len(w.raw)-len(`""`):
		return w.raw[1 : len(w.raw)-1]
	}
	if t.plain[i] == nil {
		pay(int64(len(w.raw)))
		if t.plain == nil {
			t.plain = map[int][]byte{}
		}
		t.plain[i] = rawjson.Unquote(w.raw)
	}
	return t.plain[i]
}

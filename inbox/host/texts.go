package host

import (
	"github.com/tetratelabs/wazero/api"

	"inbox/inbox/rawjson"
	"inbox/sdk/abi"
)

// texts are what a guest may read of its event beside the document: the texts that were left out of it. They are parts
// of the payload and are copied into the guest alone, but for those that have escapes. It belongs to the guest's
// goroutine.
type texts struct {
	open  bool // the guest has its event
	left  []withheld
	at    map[string]int // of left, by pointers; made when the guest first asks
	plain map[int][]byte // of left, what had to be decoded
}

// find returns what was left out at a pointer.
func (t *texts) find(pointer []byte) (i int, ok bool) {
	if t.at == nil {
		t.at = make(map[string]int, len(t.left))
		for i := range t.left {
			t.at[t.left[i].pointer] = i
		}
	}
	i, ok = t.at[string(pointer)]
	return i, ok
}

// text returns what was left out. One with escapes is decoded once, which is paid for.
func (t *texts) text(i int, pay func(int64)) []byte {
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

// perText is what listing one text that was left out costs.
const perText = 32

// eventRead copies a text that was left out of the guest's document, from an offset on and as far as it fits, and
// returns the length of all of it. What is not there, not granted, or stands in the document is not to be read.
func (in *instance) eventRead(mem api.Memory, pointer, pointerSize, offset, buf, room uint32) int32 {
	if !in.texts.open {
		return abi.ErrState
	}
	view, ok := mem.Read(pointer, pointerSize)
	if !ok {
		return abi.ErrPointer
	}
	if in.texts.at == nil { // they are listed first
		in.pay(perText * int64(len(in.texts.left)))
	}
	i, ok := in.texts.find(view)
	if !ok {
		return abi.None
	}
	text := in.texts.text(i, in.pay)
	if len(text) > maxDocument {
		return abi.ErrTooLarge
	}
	if rest := text[min(uint64(offset), uint64(len(text))):]; len(rest) > 0 && room > 0 {
		rest = rest[:min(uint64(room), uint64(len(rest)))]
		in.pay(int64(len(rest)))
		if !mem.Write(buf, rest) {
			return abi.ErrPointer
		}
	}
	return int32(len(text))
}

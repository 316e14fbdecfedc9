package host

import (
	"github.com/tetratelabs/wazero/api"

	"inbox/inbox/document"
	"inbox/sdk/abi"
)

// texts are the texts that were left out of the guest's document. They belong to the guest's goroutine.
type texts struct {
	document.Texts
	open bool // the guest has its event
}

// perText is the price of indexing one text.
const perText = 32

// eventRead copies a text that was skipped of the document, from an offset on and as far as it fits, and returns its full
// length. Other pointers return None: those to missing values, to values that are not granted, and to values in the document.
func (in *instance) eventRead(mem api.Memory, pointer, pointerSize, offset, buf, bufSize uint32) int32 {
	if !in.texts.open {
		return abi.ErrState
	}
	view, ok := mem.Read(pointer, pointerSize)
	if !ok {
		return abi.ErrPointer
	}
	if !in.texts.Listed() {
		in.spend(perText * int64(in.texts.Len()))
	}
	i, ok := in.texts.Find(view)
	if !ok {
		return abi.None
	}
	text := in.texts.Text(i, in.spend)
	if len(text) > maxDocument {
		return abi.ErrTooLarge
	}
	if rest := text[min(uint64(offset), uint64(len(text))):]; len(rest) > 0 && bufSize > 0 {
		rest = rest[:min(uint64(bufSize), uint64(len(rest)))]
		in.spend(int64(len(rest)))
		if !mem.Write(buf, rest) {
			return abi.ErrPointer
		}
	}
	return int32(len(text))
}

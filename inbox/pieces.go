package inbox

import (
	"hash"
	"runtime"
)

// hashPiece is how much of a text is hashed at a time: some thirty microseconds' work.
const hashPiece = 16 << 10

// WriteText writes a text into a hash piece by piece and lets other goroutines run in between. The inner loops of the standard
// library's hashes are assembly, in which Go cannot interrupt a goroutine (https://go.dev/issue/24543): a few bodies of ten
// megabytes would keep every processor from all others for a tenth of a second.
func WriteText(h hash.Hash, text []byte) {
	for len(text) > hashPiece {
		h.Write(text[:hashPiece])
		text = text[hashPiece:]
		runtime.Gosched()
	}
	h.Write(text)
}

package rawjson_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"inbox/inbox/rawjson"
)

// The functions that read a whole body, measured on a body of photos.
func BenchmarkValid(b *testing.B) {
	body := []byte(`{"data":{"id":1,"photos":["` + strings.Repeat(strings.Repeat("A", 1<<20)+`","`, 5) + `"]}}`)
	for name, valid := range map[string]func([]byte) bool{"rawjson": rawjson.Valid, "encoding/json": json.Valid, "unicode/utf8": utf8.Valid} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if !valid(body) {
					b.Fatal("it is not valid")
				}
			}
		})
	}
}

package document

import (
	"strconv"
	"strings"
	"testing"
)

// The cost of narrowing: with nothing to leave out, with photos to leave out, and for bodies crafted to be slow.
func BenchmarkNarrow(b *testing.B) {
	const size = 5 << 20
	photo := strings.Repeat("A", 1<<20)
	var members, wide, twins strings.Builder
	for i := 0; members.Len() < size; i++ {
		members.WriteString(`"n` + strconv.Itoa(i) + `":"x",`)
	}
	for i := 0; wide.Len() < size/2; i++ {
		wide.WriteString(`"` + strings.Repeat("x", 129) + `",`)
	}
	for i := 0; twins.Len() < size/2; i++ {
		name := `"` + strconv.Itoa(i) + `":`
		twins.WriteString(name + `"` + strings.Repeat("x", 129) + `",` + name + `0,`)
	}
	const depth = 9990
	for _, c := range []struct {
		name, body string
		fields     []string
		most       int64
	}{
		{"small", `{"data":{"id":1}}`, nil, 64 << 10},
		{"small/one field", `{"data":{"id":1}}`, []string{"/data/id"}, 64 << 10},
		{"photos", `{"data":{"id":1,"photos":["` + strings.Repeat(photo+`","`, 4) + photo + `"]}}`, nil, 64 << 10},
		{"photos/one field", `{"data":{"id":1,"photos":["` + strings.Repeat(photo+`","`, 4) + photo + `"]}}`, []string{"/data/id"}, 64 << 10},
		{"members", `{` + members.String() + `"z":0}`, nil, 64 << 10},
		{"hostile/a long way to many texts", `{"` + strings.Repeat("n", size/2) + `":[` + wide.String() + `0]}`, nil, 128},
		{"hostile/a deep way to many texts", strings.Repeat(`{"a":`, depth) + `[` + wide.String() + `0]` + strings.Repeat(`,"a":0}`, depth), nil, 128},
		{"hostile/names that come again", `{` + twins.String() + `"z":0}`, nil, 128},
	} {
		b.Run(c.name, func(b *testing.B) {
			body, g := []byte(c.body), newGrant(c.fields)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				narrow(body, g, c.most)
			}
		})
	}
}

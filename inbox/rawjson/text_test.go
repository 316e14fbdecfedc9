package rawjson_test

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"inbox/inbox/rawjson"
)

func FuzzTextSize(f *testing.F) {
	for _, quoted := range []string{`""`, `"a"`, `"é\/\\\"\b\f\n\r\t"`, `"\u0000\u00e9\u00E9\uFFFD\u20ac"`, `"\ud83d\ude00"`, `"\uD83D\uD83D\uDE00"`, `"\ude00\ud83d"`, `"\ud83d"`, `"\ud83dx\ude00"`, `"\ud83d\n"`} {
		f.Add([]byte(quoted))
	}
	f.Fuzz(func(t *testing.T, quoted []byte) {
		if len(quoted) == 0 || quoted[0] != '"' || quoted[len(quoted)-1] != '"' || !utf8.Valid(quoted) || !json.Valid(quoted) {
			return
		}
		if got, want := rawjson.TextSize(quoted), len(rawjson.Unquote(quoted)); got != want {
			t.Errorf("%s: %d, but it has %d", quoted, got, want)
		}
	})
}

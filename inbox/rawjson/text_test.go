package rawjson_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"inbox/inbox/rawjson"
)

func FuzzUnquote(f *testing.F) {
	for _, quoted := range []string{`""`, `"a"`, `"é\/\\\"\b\f\n\r\t"`, `"\u0000\u00e9\u00E9\uFFFD\u20ac"`, `"\ud83d\ude00"`, `"\uD83D\uD83D\uDE00"`, `"\ude00\ud83d"`, `"\ud83d"`, `"\ud83dx\ude00"`, `"\ud83d\n"`, "\"\xff\"", "\"\xff\\n\xed\xa0\x80\""} {
		f.Add([]byte(quoted))
	}
	f.Fuzz(func(t *testing.T, quoted []byte) {
		if len(quoted) == 0 || quoted[0] != '"' || quoted[len(quoted)-1] != '"' || !json.Valid(quoted) {
			return
		}
		var want string
		if err := json.Unmarshal(quoted, &want); err != nil {
			t.Fatal(err)
		}
		got := string(rawjson.Unquote(quoted))
		if strings.Contains(string(quoted), `\`) || utf8.Valid(quoted) {
			if got != want {
				t.Errorf("%s: %q, encoding/json says %q", quoted, got, want)
			}
		} else if got != string(quoted[1:len(quoted)-1]) {
			t.Errorf("%s: %q, though nothing is escaped", quoted, got)
		}
		if size := rawjson.TextSize(quoted); utf8.Valid(quoted) && size != len(want) {
			t.Errorf("%s: %d bytes, but it has %d", quoted, size, len(want))
		}
	})
}

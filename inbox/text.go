package inbox

import (
	"bytes"
	"unicode/utf8"
)

// FileText returns the text of a file that somebody wrote: settings, a manifest, a secret. A UTF-8 byte order mark, which
// editors on Windows put first, is left out. UTF-16 and anything else that is not UTF-8 is an error of the kind Invalid that
// names the encoding as far as it can be told, with a hint.
func FileText(b []byte) (string, error) {
	const hint = "save it as UTF-8"
	for _, mark := range []struct{ bytes, name string }{
		{"\xff\xfe\x00\x00", "UTF-32"}, {"\x00\x00\xfe\xff", "UTF-32"}, {"\xff\xfe", "UTF-16"}, {"\xfe\xff", "UTF-16"},
	} {
		if bytes.HasPrefix(b, []byte(mark.bytes)) {
			return "", Errorf(Invalid, "", "it is written in %s, not in UTF-8", mark.name).WithHint(hint)
		}
	}
	text := bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	if wide(text) {
		return "", Errorf(Invalid, "", "it is written in UTF-16 without a byte order mark, not in UTF-8").WithHint(hint)
	}
	if !utf8.Valid(text) {
		return "", Errorf(Invalid, "", "it is not written in UTF-8").WithHint(hint)
	}
	return string(text), nil
}

// wide reports whether every second byte of the beginning is zero, as in UTF-16 of a text in Latin letters.
func wide(b []byte) bool {
	if len(b) < 4 || len(b)%2 != 0 {
		return false
	}
	head, zero := b[:min(len(b), 64)], [2]int{}
	for i, c := range head {
		if c == 0 {
			zero[i%2]++
		}
	}
	return zero[0] == 0 && zero[1] == len(head)/2 || zero[1] == 0 && zero[0] == len(head)/2
}

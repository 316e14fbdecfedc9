package inbox

import (
	"bytes"
	"unicode/utf8"
)

// FileText returns the text of a file that an operator wrote: settings, a manifest or a secret. A UTF-8 byte order mark
// at its beginning, which some editors write, is left out. Text in UTF-16 or UTF-32, and bytes that are no text, are
// Invalid errors that name what the file is (byte order marks: https://www.unicode.org/faq/utf_bom.html).
func FileText(file []byte) (string, error) {
	const again = "save it again as UTF-8; in Windows Notepad that is the choice beside the name, in PowerShell `Set-Content -Encoding utf8NoBOM`"
	text, _ := bytes.CutPrefix(file, []byte("\xef\xbb\xbf"))
	switch {
	case bytes.HasPrefix(text, []byte("\xff\xfe\x00\x00")), bytes.HasPrefix(text, []byte("\x00\x00\xfe\xff")):
		return "", Errorf(Invalid, "", "the file is UTF-32, not UTF-8 (it begins with a byte order mark)").WithHint(again)
	case bytes.HasPrefix(text, []byte("\xff\xfe")), bytes.HasPrefix(text, []byte("\xfe\xff")):
		return "", Errorf(Invalid, "", "the file is UTF-16, not UTF-8 (it begins with a byte order mark)").WithHint(again)
	case everySecondIsZero(text):
		return "", Errorf(Invalid, "", "the file is UTF-16, not UTF-8 (every second byte is zero)").WithHint(again)
	case bytes.IndexByte(text, 0) >= 0:
		return "", Errorf(Invalid, "", "the file is no text: it has a zero byte").WithHint(again)
	case !utf8.Valid(text):
		return "", Errorf(Invalid, "", "the file is not UTF-8").WithHint(again)
	}
	return string(text), nil
}

// everySecondIsZero reports whether a text looks like ASCII in UTF-16 without a byte order mark.
func everySecondIsZero(text []byte) bool {
	if len(text) < 4 || len(text)%2 != 0 {
		return false
	}
	var zeros [2]int
	for i, b := range text {
		if b == 0 {
			zeros[i%2]++
		}
	}
	return max(zeros[0], zeros[1]) > len(text)/4 && min(zeros[0], zeros[1]) == 0
}

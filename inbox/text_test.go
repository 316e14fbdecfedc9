package inbox_test

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"

	"inbox/inbox"
)

func TestTheTextOfAFileIsReadWithoutAByteOrderMarkAndOtherEncodingsAreNamed(t *testing.T) {
	t.Parallel()
	sixteen := func(order binary.AppendByteOrder, text string) string {
		var out []byte
		for _, unit := range utf16.Encode([]rune(text)) {
			out = order.AppendUint16(out, unit)
		}
		return string(out)
	}
	for name, c := range map[string]struct{ file, text, says string }{
		"plain":                    {"listen = 1\r\n", "listen = 1\r\n", ""},
		"empty":                    {"", "", ""},
		"UTF-8 with a mark":        {"\ufefflisten", "listen", ""},
		"only a mark":              {"\ufeff", "", ""},
		"other letters":            {"naïve 世界", "naïve 世界", ""},
		"UTF-16, little end first": {"\xff\xfe" + sixteen(binary.LittleEndian, "listen"), "", "UTF-16"},
		"UTF-16, big end first":    {"\xfe\xff" + sixteen(binary.BigEndian, "listen"), "", "UTF-16"},
		"UTF-16 without a mark":    {sixteen(binary.LittleEndian, "listen"), "", "UTF-16"},
		"UTF-32":                   {"\xff\xfe\x00\x00l\x00\x00\x00", "", "UTF-32"},
		"a zero byte":              {"listen\x00", "", "no text"},
		"Latin-1":                  {"na\xefve", "", "not UTF-8"},
	} {
		text, err := inbox.FileText([]byte(c.file))
		if c.says == "" && (err != nil || text != c.text) {
			t.Errorf("%s: %q, %v", name, text, err)
		}
		if c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says) || inbox.KindOf(err) != inbox.Invalid || inbox.HintOf(err) == "") {
			t.Errorf("%s: %v, hint %q", name, err, inbox.HintOf(err))
		}
	}
}

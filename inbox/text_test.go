package inbox_test

import (
	"strings"
	"testing"

	"inbox/inbox"
)

func TestTheTextOfAFileIsUTF8WithOrWithoutAMark(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", "a = 1": "a = 1", "\xef\xbb\xbfa = 1": "a = 1", "\xef\xbb\xbf": "", "é": "é"} {
		if got, err := inbox.FileText([]byte(in)); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for in, says := range map[string]string{
		"\xff\xfea\x00=\x00": "UTF-16", "\xfe\xff\x00a\x00=": "UTF-16", "a\x00 \x00=\x00": "UTF-16", "\x00a\x00 \x00=": "UTF-16",
		"\xff\xfe\x00\x00a\x00\x00\x00": "UTF-32", "caf\xe9": "not written in UTF-8", "\xff\xfe": "UTF-16",
	} {
		if _, err := inbox.FileText([]byte(in)); inbox.KindOf(err) != inbox.Invalid || !strings.Contains(err.Error(), says) || inbox.HintOf(err) == "" {
			t.Errorf("%q: %v", in, err)
		}
	}
}

package release_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"inbox/inbox"
	"inbox/inbox/release"
)

func TestConfigValuesKeepTheirSpelling(t *testing.T) {
	t.Parallel()
	text := "[config]\nversion = 1.10\nthousand = 1_000\nhex = 0x1F\nexp = 1e06\nplus = +5\nbig = 123456789012345678901234567890\nday = 2026-01-02\n" +
		"at = 2026-01-02T03:04:05.600Z\nclock = 07:32:00\nno = nan\ninf = -inf\nyes = true\ntext = \"1.10 \\u00e9\"\nraw = '\\u00e9'\n\"a b\" = 0.50\n"
	want := map[string]string{
		"version": "1.10", "thousand": "1_000", "hex": "0x1F", "exp": "1e06", "plus": "+5", "big": "123456789012345678901234567890", "day": "2026-01-02",
		"at": "2026-01-02T03:04:05.600Z", "clock": "07:32:00", "no": "nan", "inf": "-inf", "yes": "true", "text": "1.10 é", "raw": `\u00e9`, "a b": "0.50",
	}
	one := map[string]string{"version": "1.10"}
	for form, want := range map[string]map[string]string{
		text: want, "\xef\xbb\xbf" + text: want, strings.ReplaceAll(text, "\n", "\r\n"): want, "config = {version = 1.10}": one, "config.version = 1.10": one,
	} {
		if m, err := release.ParseManifest([]byte(form)); err != nil || !cmp.Equal(m.Config, want) {
			t.Errorf("%.30q: %v %s", form, err, cmp.Diff(want, m.Config))
		}
	}
	grants := func() map[string]string {
		a, err := release.Agree("p", []byte(asking(t, "ok", "")), []byte(text), 1)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, term := range a.Permissions {
			out[term.Key] = term.Grants
		}
		return out
	}()
	if grants["config.version"] != "1.10" || grants["config.big"] != "123456789012345678901234567890" {
		t.Errorf("shown as %v", grants)
	}
}

func TestNumbersInWhereMatchEverySpellingOfTheirValue(t *testing.T) {
	t.Parallel()
	for written, bodies := range map[string]map[string]bool{
		"1":                    {"1": true, "1.0": true, "1e0": true, `"1"`: true, `"1.0"`: false, "10": false, "true": false},
		"1.0":                  {"1": true, "1.0": true, "1.00": true, `"1.0"`: true, `"1"`: false},
		"0.5":                  {"0.50": true, "5e-1": true, "0.05": false},
		"1e2":                  {"100": true, "1e2": true, "1E+02": true, "1": false},
		"[1e2, 'x']":           {"100.0": true, `"x"`: true, "2": false},
		"1_000":                {"1000": true, "1e3": true},
		"0x10":                 {"16": true, "10": false},
		"+5":                   {"5": true, "-5": false},
		"-0.0":                 {"0": true, "-0": true},
		"'1'":                  {"1": true, "1.0": true, `"1"`: true, `"1.0"`: false},
		"'01'":                 {`"01"`: true, "1": false, `"1"`: false},
		"'1e3'":                {`"1000"`: false, `"1e3"`: true},
		"true":                 {"true": true, `"true"`: true, "1": false},
		"99999999999999999999": {"99999999999999999999": true, "99999999999999999998": false},
	} {
		m, err := release.ParseManifest([]byte("[where]\n\"/a\" = " + written))
		if err != nil {
			t.Errorf("%s: %v", written, err)
			continue
		}
		for body, want := range bodies {
			if got := m.Holds(inbox.Scalars([]byte(`{"a":` + body + `}`))); got != want {
				t.Errorf("where = %s over %s: %v", written, body, got)
			}
		}
	}
}

func TestInvalidValuesOfWhereAndConfigAreReportedWithTheirLines(t *testing.T) {
	t.Parallel()
	for text, message := range map[string]string{
		"[where]\n\"/a\" = nan":                                         "line 2: where./a is neither",
		"[where]\n\"/a\" = [inf]":                                       "line 2: where./a is neither",
		"[where]\n\"/a\" = [[1]]":                                       "line 2: where./a is neither",
		"[where]\n\"/a\" = {b = 1}":                                     "line 2: where./a.b is neither",
		"[where]\n\"/a\".b = 1":                                         "line 2: where./a.b is neither",
		"[where]\n\"/a\" = 1__0":                                        "line 2",
		"[where]\n\"/a\" = 1\n\"/a\" = 2":                               "line 3",
		"where = {\"/a\" = 1, \"/a\" = 2}":                              "line 1",
		"where = 5":                                                     "line 1: where is not a table",
		"[[where]]\n\"/a\" = 1":                                         "line 1: where is not a table",
		"[config]\nx = 2026-13-45":                                      "line 2: config.x is neither",
		"[config]\n\n[config.sub]\ny = 1":                               "line 4: config.sub.y is neither",
		"config = []":                                                   "line 1: config is not a table",
		"[config]\nx = 1\n[config]\ny = 2":                              "line 3",
		"a.b.c.d.e.f.g.h.i = 1":                                         "a key of more than 8 parts",
		"[where]\n" + strings.Repeat("\"/a%\" = 1\n", 65):               "where has 65 conditions, more than 64",
		"[where]\n\"/a\" = [" + strings.Repeat("1,", 1001) + "]":        "where./a has 1001 values, more than 1000",
		"[where]\n\"/" + strings.Repeat("a", 1000) + "\" = 1":           "has a pointer of 1001 bytes, more than 1000",
		"key_by = '" + strings.Repeat("x", 5000) + "'":                  "x …",
		"events = " + strings.Repeat("[", 40) + strings.Repeat("]", 40): "within each other",
	} {
		for n := 0; strings.Contains(text, "%"); n++ {
			text = strings.Replace(text, "%", fmt.Sprint(n), 1)
		}
		if _, err := release.ParseManifest([]byte(text)); inbox.KindOf(err) != inbox.Invalid || !strings.Contains(err.Error(), message) || len(err.Error()) > 500 {
			t.Errorf("%.100q: %v; want a message with %s", text, err, message)
		}
	}
}

func TestAManifestInAnotherEncodingIsInvalid(t *testing.T) {
	t.Parallel()
	var wide []byte
	for _, u := range utf16.Encode([]rune("\ufeff[data]\nfields = ['/data/id']\n")) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	for name, text := range map[string][]byte{"UTF-16": wide, "every second byte": wide[2:], "not UTF-8": []byte("a = 'caf\xe9'")} {
		if _, err := release.ParseManifest(text); inbox.KindOf(err) != inbox.Invalid || !strings.Contains(err.Error(), name) || inbox.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// hostile returns manifests of the largest size that could be slow to read.
func hostile() map[string]string {
	fill := func(piece func(i int) string) string {
		var b strings.Builder
		for i := 0; ; i++ {
			if one := piece(i); b.Len()+len(one) <= release.MaxManifest {
				b.WriteString(one)
			} else {
				return b.String()
			}
		}
	}
	same := func(text string) func(int) string { return func(int) string { return text } }
	return map[string]string{
		"tables":          fill(func(i int) string { return fmt.Sprintf("[t%d]\n", i) }),
		"array tables":    fill(same("[[a]]\n")),
		"keys":            fill(func(i int) string { return fmt.Sprintf("k%d=1\n", i) }),
		"dotted keys":     fill(func(i int) string { return fmt.Sprintf("a.b%d.c=1\n", i) }),
		"one long key":    strings.Repeat("a.", release.MaxManifest/2-2) + "a=1",
		"a deep header":   "[" + strings.Repeat("a.", release.MaxManifest/2-2) + "a]",
		"deep lists":      "x=" + strings.Repeat("[", release.MaxManifest-10),
		"closed lists":    "x=" + strings.Repeat("[", 30_000) + strings.Repeat("]", 30_000),
		"deep braces":     strings.Repeat("a={", 20_000) + strings.Repeat("}", 5_000),
		"where":           "[where]\n" + fill(func(i int) string { return fmt.Sprintf("\"/%d\"=1\n", i) })[:60_000],
		"config":          "[config]\n" + fill(func(i int) string { return fmt.Sprintf("k%d=1\n", i) })[:60_000],
		"a list":          "events=[" + fill(same("'a',"))[:60_000] + "]",
		"a list of where": "[where]\n\"/a\"=[" + fill(same("1,"))[:60_000] + "]",
		"a hex number":    "[where]\n\"/a\"=0x" + strings.Repeat("f", 60_000),
		"a number":        "[where]\n\"/a\"=1" + strings.Repeat("0", 60_000),
		"wrong keys":      fill(func(i int) string { return fmt.Sprintf("event%d=1\n", i) })[:30_000],
		"comments":        fill(same("#\n")),
		"empty lines":     fill(same("\n")),
		"one text":        "key_by='" + strings.Repeat("x", 60_000) + "'",
		"dates":           "[config]\n" + fill(func(i int) string { return fmt.Sprintf("d%d=2026-01-02\n", i) })[:60_000],
	}
}

func TestHostileManifestsAreReadOrRejectedQuickly(t *testing.T) {
	t.Parallel()
	shapes := hostile()
	shapes["one byte more"] = strings.Repeat("#", release.MaxManifest+1)
	for name := range maps.Keys(shapes) {
		began := time.Now()
		_, err := release.ParseManifest([]byte(shapes[name]))
		if err != nil && inbox.KindOf(err) != inbox.Invalid {
			t.Errorf("%s: %v", name, err)
		}
		text := ""
		if err != nil {
			text = err.Error()
		}
		t.Logf("%s: %s, %.100s", name, time.Since(began), text)
	}
}

func BenchmarkHostileManifest(b *testing.B) {
	for name, text := range hostile() {
		b.Run(strings.ReplaceAll(name, " ", "_"), func(b *testing.B) {
			for b.Loop() {
				_, _ = release.ParseManifest([]byte(text))
			}
		})
	}
}

package qoreid_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/qoreid"
)

const secret = "whsec_inbox_test_1"

// golden are signatures made by another implementation.
var golden = map[string]string{
	"{}":          "5a3fe4e880a0ed813438b0705327c3855d933007b83084dfd9ef329dd09cadbe1e94e5eaf6e60b0e5f54729df7bc86dca809e5803f76c4462411f4fd1a73ca85",
	"":            "14f9307a1b6e013e3322fcca302a216f73cbe970650b5cf9cdf9c7726248abf40d6d20c0464c67612a7d69545d3d63d934375cb66d6868fbd4cb9ce9eb411fc2",
	`{ "a": 1 }`:  "a712d103e73e7a19579a007d1edecfc64e3592248177cd535a9ffa689bb76183addd0a4e6c4e209b455dda7a12ec45e1b932bf81d7f72b51168519da8bdc6941",
	"{\"a\":1}\n": "8e9e1cb916b8a974355d075473c2213f94df7a6fe5261dca70747cbc3d7da42a14f4803725e6ff9fc270ec5060d5168c6a7f84bbae9dad2a6ee433dbe214d1d4",
	`{"event":"address","event_type":"verification_completed","data":{"id":1,"customerReference":"ref-1","status":{"status":"VERIFIED","subStatus":"VERIFIED","state":"COMPLETE"}}}`: "c118c39f5f130aef2ea3f56e0e3c7969804cf4124361e7539a8248c9810cdd2b076cd2f3d760ff9c99ba5e2110db001bce07ce393148fc4e2acac3b3be712dc8",
}

func secrets(keys ...string) []qoreid.Secret {
	var list []qoreid.Secret
	for i, k := range keys {
		list = append(list, qoreid.Secret{Name: string(rune('a' + i)), Key: []byte(k)})
	}
	return list
}

func TestTheGoldenVectorsPass(t *testing.T) {
	t.Parallel()
	for body, sig := range golden {
		if got := qoreid.Sign(qoreid.SHA512, []byte(secret), []byte(body)); got != sig {
			t.Errorf("%q signs as %s", body, got)
		}
		for _, written := range []string{sig, strings.ToUpper(sig), "  " + sig + "\t"} {
			if name, why := qoreid.Verify("", secrets("old", secret), written, []byte(body)); name != "b" || why != "" {
				t.Errorf("%q: secret %q, %s", body, name, why)
			}
		}
	}
}

func TestVerifyReturnsWhyASignatureDoesNotPass(t *testing.T) {
	t.Parallel()
	body := []byte("{}")
	good := golden["{}"]
	for name, c := range map[string]struct {
		sig     string
		keys    []string
		why     string
		explain string
	}{
		"no signature":            {"", []string{secret}, qoreid.Missing, "no signature"},
		"spaces":                  {"  ", []string{secret}, qoreid.Missing, "no signature"},
		"too short":               {good[:126], []string{secret}, qoreid.Malformed, "not hexadecimal"},
		"not hex":                 {"z" + good[1:], []string{secret}, qoreid.Malformed, "not hexadecimal"},
		"a prefix":                {"sha512=" + good, []string{secret}, qoreid.Malformed, "has \"sha512=\" beside"},
		"the length of sha256":    {good[:64], []string{secret}, qoreid.Malformed, "length of sha256"},
		"another secret":          {good, []string{"other"}, qoreid.Mismatch, "the secret is another one"},
		"no secret":               {good, nil, qoreid.NoSecret, "no secret"},
		"a newline in the secret": {good, []string{secret + "\n"}, qoreid.Mismatch, "space or a newline"},
		"a newline in the body":   {qoreid.Sign("", []byte(secret), []byte("{}\n")), []string{secret}, qoreid.Mismatch, "newline at its end"},
	} {
		if _, why := qoreid.Verify("", secrets(c.keys...), c.sig, body); why != c.why {
			t.Errorf("%s: %q, want %q", name, why, c.why)
		}
		if got := qoreid.Explain("", secrets(c.keys...), c.sig, body); !strings.Contains(got, c.explain) || strings.Contains(got, good) {
			t.Errorf("%s: %q, want …%s…", name, got, c.explain)
		}
	}
	if got := qoreid.Explain("", secrets(secret), good, body); got != "" {
		t.Errorf("a good signature is explained as %q", got)
	}
	if qoreid.Algorithm("md5").Valid() || !qoreid.SHA256.Valid() {
		t.Error("algorithms are told apart wrongly")
	}
}

func TestAnEmptySecretMatchesNoSignature(t *testing.T) {
	t.Parallel()
	body := []byte(`{"event":"address"}`)
	forged := qoreid.Sign("", nil, body)
	if name, why := qoreid.Verify("", secrets(""), forged, body); why != qoreid.NoSecret || name != "" {
		t.Errorf("with an empty secret only: %q, %q", name, why)
	}
	if _, why := qoreid.Verify("", secrets("", secret), forged, body); why != qoreid.Mismatch {
		t.Errorf("beside a good secret: %q", why)
	}
	if name, why := qoreid.Verify("", secrets("", secret), qoreid.Sign("", []byte(secret), body), body); name != "b" || why != "" {
		t.Errorf("the good secret beside an empty one: %q, %q", name, why)
	}
}

func TestTheFirstOfEqualSecretsIsNamed(t *testing.T) {
	t.Parallel()
	if name, why := qoreid.Verify("", secrets("x", secret, secret, "y"), golden["{}"], []byte("{}")); name != "b" || why != "" {
		t.Errorf("%q, %q", name, why)
	}
}

func TestASourceCanBeSignedWithSHA256(t *testing.T) {
	t.Parallel()
	// RFC 4231, test case 2.
	const vector = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
	body := []byte("what do ya want for nothing?")
	if got := qoreid.Sign(qoreid.SHA256, []byte("Jefe"), body); got != vector {
		t.Errorf("signs as %s", got)
	}
	if name, why := qoreid.Verify(qoreid.SHA256, secrets("Jefe"), vector, body); name != "a" || why != "" {
		t.Errorf("%q, %q", name, why)
	}
	long := qoreid.Sign(qoreid.SHA512, []byte("Jefe"), body)
	if _, why := qoreid.Verify(qoreid.SHA256, secrets("Jefe"), long, body); why != qoreid.Malformed {
		t.Errorf("a longer signature: %q", why)
	}
	if got := qoreid.Explain(qoreid.SHA256, secrets("Jefe"), long, body); !strings.Contains(got, "length of sha512") {
		t.Errorf("a longer signature: %q", got)
	}
}

func TestAnUnknownAlgorithmMatchesNoSignature(t *testing.T) {
	t.Parallel()
	if got := qoreid.Sign("md5", []byte("k"), nil); got != "" {
		t.Errorf("signs as %q", got)
	}
	if _, why := qoreid.Verify("md5", secrets("k"), "00", nil); why != qoreid.Malformed {
		t.Errorf("%q", why)
	}
}

func TestAPrintedSecretDoesNotShowItsKey(t *testing.T) {
	t.Parallel()
	s := qoreid.Secret{Name: "current", Key: []byte("s3cr3t")}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("secret", "secret", s)
	asJSON, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	// fmt prints some structs without their methods; the key must not appear there either.
	for _, said := range []string{fmt.Sprint(s), fmt.Sprintf("%+v", s), fmt.Sprintf("%#v", s), string(asJSON), log.String()} {
		if strings.Contains(said, "s3cr3t") || strings.Contains(said, hex.EncodeToString(s.Key)) || !strings.Contains(said, "current") {
			t.Errorf("says %s", said)
		}
	}
}

func TestTheUsualMistakesAreExplained(t *testing.T) {
	t.Parallel()
	body := []byte(`{"a": 1,"data":{"é":"a/b<😀>","b":2}}`)
	sign := func(key, body string) string { return qoreid.Sign("", []byte(key), []byte(body)) }
	right, short := sign(secret, string(body)), qoreid.Sign(qoreid.SHA256, []byte(secret), body)
	raw, err := hex.DecodeString(right)
	if err != nil {
		t.Fatal(err)
	}
	var zip bytes.Buffer
	z := gzip.NewWriter(&zip)
	_, _ = z.Write(body)
	_ = z.Close()
	const passes = "apart from that it passes"
	for name, c := range map[string]struct {
		key, sig string
		want     []string
		body     string // empty: the body above
	}{
		"quotes around the secret":   {`"` + secret + `"`, right, []string{"quotation marks"}, ""},
		"typographic quotes":         {"“" + secret + "”", right, []string{"quotation marks"}, ""},
		"a space before it":          {" " + secret, right, []string{"a space or a newline"}, ""},
		"a newline it needs":         {secret, sign(secret+"\n", string(body)), []string{"a space or a newline"}, ""},
		"a zero-width space in it":   {secret[:3] + "\u200b" + secret[3:], right, []string{"invisible"}, ""},
		"a name before it":           {"SECRET=" + secret, right, []string{"name and ="}, ""},
		"letter case":                {strings.ToUpper(secret), right, []string{"letter case"}, ""},
		"a hexadecimal secret":       {hex.EncodeToString([]byte(secret)), right, []string{"is hexadecimal"}, ""},
		"a base64 secret":            {base64.StdEncoding.EncodeToString([]byte(secret)), right, []string{"is base64"}, ""},
		"upper case and a prefix":    {secret, "sha512=" + strings.ToUpper(right), []string{`"sha512="`, passes}, ""},
		"a prefix, another secret":   {"other", "sha512=" + right, []string{`"sha512="`, "does not pass either"}, ""},
		"a time stamp beside it":     {secret, "t=1700000000;v1=" + right, []string{`"t=1700000000;v1="`, passes}, ""},
		"quotes around it":           {secret, `"` + right + `"`, []string{"beside its hexadecimal digits", passes}, ""},
		"sha256":                     {secret, short, []string{"the length of sha256", "set the source's algorithm", passes}, ""},
		"sha256 and a prefix":        {secret, "sha256=" + short, []string{`"sha256="`, "the length of sha256", passes}, ""},
		"sha256 of another secret":   {"other", short, []string{"the length of sha256", "does not pass either"}, ""},
		"base64":                     {secret, base64.StdEncoding.EncodeToString(raw), []string{"base64", passes}, ""},
		"base64 for addresses":       {secret, base64.RawURLEncoding.EncodeToString(raw), []string{"base64", passes}, ""},
		"base64 of another secret":   {"other", base64.StdEncoding.EncodeToString(raw), []string{"base64", "does not pass either"}, ""},
		"compressed afterwards":      {secret, right, []string{"compressed after it was signed"}, zip.String()},
		"compressed, and a prefix":   {secret, "sha512=" + right, []string{`"sha512="`, "compressed after it was signed"}, zip.String()},
		"lines end otherwise":        {secret, sign(secret, "{\n}"), []string{"ends of the body's lines"}, "{\r\n}"},
		"a byte order mark":          {secret, right, []string{"byte order mark"}, "\ufeff" + string(body)},
		"a reformatted body":         {secret, sign(secret, `{"a":1,"data":{"é":"a/b<😀>","b":2}}`), []string{"without the spaces"}, ""},
		"as PHP writes it":           {secret, sign(secret, `{"a":1,"data":{"\u00e9":"a\/b<\ud83d\ude00>","b":2}}`), []string{"as PHP writes"}, ""},
		"as Python writes it":        {secret, sign(secret, `{"a": 1, "data": {"\u00e9": "a/b<\ud83d\ude00>", "b": 2}}`), []string{"as Python writes"}, ""},
		"as Go writes it":            {secret, sign(secret, `{"a":1,"data":{"é":"a/b\u003c😀\u003e","b":2}}`), []string{"as Go writes"}, ""},
		"as JavaScript writes it":    {secret, sign(secret, `{"a":"/é"}`), []string{"as JavaScript writes"}, `{"a":"\/\u00e9"}`},
		"indented":                   {secret, sign(secret, "{\n  \"a\": 1\n}"), []string{"indents by two"}, `{"a":1}`},
		"sorted":                     {secret, sign(secret, `{"a":1,"data":{"b":2,"é":"a/b<😀>"}}`), []string{"sorts names"}, ""},
		"only data":                  {secret, sign(secret, `{"é":"a/b<😀>","b":2}`), []string{"only the member data"}, ""},
		"hostile text beside it":     {secret, "\x1b[31m\u202e=" + right, []string{"beside its hexadecimal digits"}, ""},
		"far too much text there":    {secret, strings.Repeat("y", 9999) + "=" + right, []string{"y…"}, ""},
		"nothing of all that":        {"other", right, []string{"the secret is another one"}, ""},
		"nothing of that either":     {secret, "\x1b" + right[1:], []string{"not hexadecimal"}, ""},
		"one letter in it, no space": {secret + "x", right, []string{"the secret is another one"}, ""},
	} {
		of := body
		if c.body != "" {
			of = []byte(c.body)
		}
		got := qoreid.Explain("", secrets(c.key), c.sig, of)
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q, want …%s…", name, got, want)
			}
		}
		if strings.Contains(strings.ToLower(got), right) || strings.Contains(got, secret) || len(got) > 400 || strings.ContainsFunc(got, inbox.Unprintable) {
			t.Errorf("%s: %q tells too much", name, got)
		}
	}
}

func FuzzVerify(f *testing.F) {
	for body, sig := range golden {
		f.Add(sig, []byte(body))
	}
	f.Fuzz(func(t *testing.T, sig string, body []byte) {
		name, why := qoreid.Verify("", secrets(secret), sig, body)
		right := qoreid.Sign("", []byte(secret), body)
		if (why == "") != strings.EqualFold(strings.TrimSpace(sig), right) || (why == "") != (name == "a") {
			t.Errorf("%q over %q: %q, %q", sig, body, name, why)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	for name, size := range map[string]int{"1KB": 1 << 10, "5MB": 5 << 20} {
		b.Run(name, func(b *testing.B) {
			body := bytes.Repeat([]byte("x"), size)
			sig, keys := qoreid.Sign("", []byte(secret), body), secrets(secret)
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				qoreid.Verify("", keys, sig, body)
			}
		})
	}
}

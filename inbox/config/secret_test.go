package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"inbox/inbox"
	"inbox/inbox/qoreid"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTheDefaultSourceReadsItsSecretFromTheEnvironmentAFileOrSystemd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "secret")
	write(t, file, "from a file\r\n")
	write(t, filepath.Join(dir, "qoreid-secret"), "from systemd")
	for _, c := range []struct {
		env  map[string]string
		want []string
	}{
		{nil, nil},
		{map[string]string{"INBOX_QOREID_SECRET": "plain"}, []string{"INBOX_QOREID_SECRET=plain"}},
		{map[string]string{"INBOX_QOREID_SECRET_FILE": file}, []string{"INBOX_QOREID_SECRET_FILE=from a file"}},
		{map[string]string{"CREDENTIALS_DIRECTORY": dir}, []string{"qoreid-secret=from systemd"}},
		{map[string]string{"CREDENTIALS_DIRECTORY": t.TempDir()}, nil},
		{
			map[string]string{"INBOX_QOREID_SECRET": "new", "INBOX_QOREID_SECRET_FILE": file},
			[]string{"INBOX_QOREID_SECRET=new", "INBOX_QOREID_SECRET_FILE=from a file"},
		},
	} {
		s := mustLoad(t, "", c.env, nil)
		if diff := cmp.Diff(c.want, keys(s.Sources[0].Secrets.Secrets())); diff != "" {
			t.Errorf("%v: %s", c.env, diff)
		}
	}
}

func TestSourcesWithoutASecretAreOneErrorWithAHint(t *testing.T) {
	t.Parallel()
	err := mustLoad(t, "", nil, nil).CheckSecrets()
	if inbox.KindOf(err) != inbox.Invalid || err.Error() != "source qoreid has no webhook secret" ||
		!strings.Contains(inbox.HintOf(err), "INBOX_QOREID_SECRET") || !strings.Contains(inbox.HintOf(err), "--no-secret") {
		t.Errorf("got %v, hint %q", err, inbox.HintOf(err))
	}
	text := "[[source]]\nname = \"a\"\nsecrets = [\"env:A\"]\n[[source]]\nname = \"b\"\nsecrets = [\"file:/nowhere\"]\n"
	err = mustLoad(t, text, nil, nil).CheckSecrets()
	if err == nil || err.Error() != "sources a, b have no webhook secret (env:A: it is empty; file:/nowhere: no such file or directory)" || !strings.Contains(inbox.HintOf(err), "fill env:A; fill file:/nowhere") {
		t.Errorf("got %v, hint %q", err, inbox.HintOf(err))
	}
	err = mustLoad(t, "", map[string]string{"INBOX_QOREID_SECRET_FILE": "/nowhere"}, nil).CheckSecrets()
	if err == nil || err.Error() != "source qoreid has no webhook secret (file:/nowhere: no such file or directory)" {
		t.Errorf("got %v", err)
	}
	if err := mustLoad(t, "", map[string]string{"INBOX_QOREID_SECRET": "x"}, nil).CheckSecrets(); err != nil {
		t.Error(err)
	}
}

func TestTheDefaultSourceIsOmittedWithANoteOnlyIfItHasNoSecretAndOthersAreConfigured(t *testing.T) {
	t.Parallel()
	text := "[[source]]\nname = \"a\"\nsecrets = [\"env:A\"]\n"
	s := mustLoad(t, text, map[string]string{"A": "x"}, nil)
	if len(s.Sources) != 1 || len(s.Notes) != 1 || !strings.Contains(s.Notes[0], "there is no default source qoreid") {
		t.Errorf("sources %d, notes %q", len(s.Sources), s.Notes)
	}
	s = mustLoad(t, text, map[string]string{"A": "x", "INBOX_QOREID_SECRET": "y"}, nil)
	if len(s.Sources) != 2 || s.Sources[0].Name != "qoreid" || len(s.Notes) != 0 {
		t.Errorf("sources %d, notes %q", len(s.Sources), s.Notes)
	}
	s = mustLoad(t, "[[source]]\nname = \"a\"\npath = \"/webhooks/qoreid\"\nsecrets = [\"env:A\"]\n", map[string]string{"A": "x", "INBOX_QOREID_SECRET": "y"}, nil)
	if len(s.Sources) != 1 {
		t.Errorf("a source with the default source's path does not replace it: %d sources", len(s.Sources))
	}
}

// synctest has a fake clock, so the test does not wait for the refresh.
func TestASecretIsReadAgainWhenItsFileChangesAndKeptWhileItCannotBeRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret")
	write(t, path, "one\n")
	text := "[[source]]\nname = \"a\"\nsecrets = { current = \"file:" + path + "\" }\n"
	s := mustLoad(t, text, nil, nil)
	synctest.Test(t, func(t *testing.T) {
		keyring := s.Source("a").Secrets
		expect := func(want string) {
			t.Helper()
			<-time.After(2 * time.Second)
			if got := keys(keyring.Secrets()); len(got) != 1 || got[0] != "current="+want {
				t.Errorf("secrets are %q, want %q", got, want)
			}
		}
		expect("one")
		write(t, path, "second")
		expect("second")
		write(t, path, "\n")
		expect("second")
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
		expect("second")
		if p := keyring.Places(); len(p) != 1 || p[0].Err == nil || p[0].Name != "current" {
			t.Errorf("the missing file is not reported: %+v", p)
		}
		write(t, path, "third one")
		expect("third one")
		if p := keyring.Places(); p[0].Err != nil {
			t.Errorf("the file is back, and an error is reported: %+v", p)
		}
	})
}

func refused(source, signature, body string) *inbox.Refused {
	at := time.UnixMilli(1_700_000_000_000).UTC()
	return &inbox.Refused{
		Source: source, ReceivedAt: at, LastAt: at.Add(time.Hour),
		Payload: inbox.Payload{Headers: []inbox.Header{{Name: "X-Verifyme-Signature", Value: signature}}, Body: []byte(body)},
	}
}

func TestARefusedRequestIsVerifiedWithTheCurrentSecrets(t *testing.T) {
	t.Parallel()
	s := mustLoad(t, "", map[string]string{"INBOX_QOREID_SECRET": "right"}, nil)
	body := `{"event":"address","event_type":"verification_started","data":{"id":7}}`
	r := refused("qoreid", qoreid.Sign(qoreid.SHA512, []byte("right"), []byte(body)), body)
	a, why, err := s.Verify(r)
	if err != nil || why != "" {
		t.Fatal(why, err)
	}
	if a.Origin != inbox.FromRecheck || a.SecretName != "INBOX_QOREID_SECRET" || !a.FirstSeen.Equal(r.ReceivedAt) || !a.ReceivedAt.Equal(r.LastAt) || a.View.Event != "address" {
		t.Errorf("arrival: %+v", a)
	}
	if text := s.Explain(r); text != "" {
		t.Errorf("a request that passes is explained as %q", text)
	}
	r = refused("qoreid", qoreid.Sign(qoreid.SHA512, []byte("wrong"), []byte(body)), body)
	if _, why, _ := s.Verify(r); why != qoreid.Mismatch {
		t.Errorf("why is %q", why)
	}
	if text := s.Explain(r); !strings.Contains(text, "no secret of the source made this signature") {
		t.Errorf("explained as %q", text)
	}
	r.Source = "gone"
	if _, why, _ := s.Verify(r); why != "no_source" {
		t.Errorf("why is %q", why)
	}
	if text := s.Explain(r); !strings.Contains(text, "no longer configured") {
		t.Errorf("explained as %q", text)
	}
}

func TestMistakesInSecretsAreDescribedWithoutTheSecret(t *testing.T) {
	t.Parallel()
	const secret = "whsec_hunter2"
	for name, c := range map[string]struct {
		file string
		used string // the secret that is used; empty: none
		note string // part of the notes and errors; empty: there are none
	}{
		"a valid secret":         {secret + "\n", secret, ""},
		"a byte order mark":      {"\ufeff" + secret + "\r\n", secret, ""},
		"base64":                 {"QUJD=\n", "QUJD=", ""},
		"base64 with two =":      {"QUJDRA==", "QUJDRA==", ""},
		"lower case with =":      {"abc=def", "abc=def", ""},
		"UTF-16":                 {"\xff\xfew\x00h\x00", "", "UTF-16"},
		"UTF-16 without a mark":  {"w\x00h\x00s\x00e\x00", "", "UTF-16"},
		"a zero byte":            {secret + "\x00", "", "zero byte"},
		"an environment file":    {"INBOX_QOREID_SECRET=" + secret + "\n", "", "INBOX_QOREID_SECRET="},
		"a line of a script":     {"export INBOX_QOREID_SECRET='" + secret + "'\n", "", "INBOX_QOREID_SECRET="},
		"two lines":              {secret + "\nold\n", "", "2 lines"},
		"a name and two lines":   {"A=1\nB=2", "", "2 lines"},
		"only dots":              {"...\n", "", "placeholder"},
		"an ellipsis":            {"…", "", "placeholder"},
		"README's words":         {"paste it here", "", "placeholder"},
		"README's words, quoted": {"'paste it here'", "", "placeholder"},
		"angle brackets":         {"<your secret>", "", "placeholder"},
		"blank":                  {"  \n", "", "blank"},
		"quotation marks":        {`"` + secret + `"`, `"` + secret + `"`, "quotation marks"},
		"curly quotation marks":  {"“" + secret + "”", "“" + secret + "”", "quotation marks"},
		"a space at the end":     {secret + " \n", secret + " ", "space"},
		"a no-break space":       {secret + "\u00a0", secret + "\u00a0", "U+00A0"},
		"a zero-width space":     {"whsec_\u200bhunter2", "whsec_\u200bhunter2", "U+200B"},
		"a tab":                  {"\t" + secret, "\t" + secret, "U+0009"},
	} {
		path := filepath.Join(t.TempDir(), "secret")
		write(t, path, c.file)
		s := mustLoad(t, "", map[string]string{"INBOX_QOREID_SECRET_FILE": path}, nil)
		var used string
		if list := s.Sources[0].Secrets.Secrets(); len(list) == 1 {
			used = string(list[0].Key)
		}
		notes := strings.Join(s.SecretNotes(), "\n")
		if err := s.CheckSecrets(); err != nil {
			notes += err.Error() + inbox.HintOf(err)
		}
		if used != c.used || (c.note == "") != (notes == "") || !strings.Contains(notes, c.note) {
			t.Errorf("%s: uses %q, reports %q", name, used, notes)
		}
		if strings.Contains(notes, "hunter2") {
			t.Errorf("%s: contains the secret: %q", name, notes)
		}
	}
}

func TestAPlaceholderCopiedFromTheManualIsNotASecret(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"...", "paste it here", "<secret>"} {
		err := mustLoad(t, "", map[string]string{"INBOX_QOREID_SECRET": text}, nil).CheckSecrets()
		if err == nil || !strings.Contains(err.Error(), "placeholder") || !strings.Contains(inbox.HintOf(err), "Webhook Secret Key") {
			t.Errorf("%s: %v, hint %q", text, err, inbox.HintOf(err))
		}
	}
}

func TestASettingsFileMayBeginWithAByteOrderMarkAndUTF16IsRejected(t *testing.T) {
	t.Parallel()
	if s := mustLoad(t, "\ufefflisten = \"127.0.0.1:1\"\r\n", nil, nil); s.Listen != "127.0.0.1:1" {
		t.Errorf("listen is %s", s.Listen)
	}
	if _, err := load(t, "\xff\xfel\x00i\x00", nil, nil); err == nil || !strings.Contains(err.Error(), "UTF-16") || !strings.Contains(err.Error(), "save it again as UTF-8") {
		t.Errorf("UTF-16: %v", err)
	}
}

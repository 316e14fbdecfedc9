package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/config"
)

// FuzzFile checks that no file crashes the reader, and that errors have a kind. Valid settings are printed as a file with the same
// effect.
func FuzzFile(f *testing.F) {
	f.Add(config.Example)
	f.Add("listen = \":80\"\n[log]\nlevel = \"warn\"\n[[source]]\nname = \"a\"\nsecrets = { x = \"env:A\" }\n[[source.map]]\nkey = \"/k\"\n")
	f.Add("a.b.c = 1\nsource = [{name = \"x\", secrets = [\"env:A\"]}]\nlog = {level = \"info\"}")
	f.Add("min_free = 9_000\ntrusted_proxies = [\"::/0\", \"10.0.0.1\"]\n")
	f.Add("data = \"\\u0001\\u007f\\\"<&\u2028\"\n")
	f.Add("[[source]]\nname = \"a\"\nsecrets = { \"x\\ny\" = \"env:A\" }\n")
	f.Add("[log]\n[source]\n[[map]]\n")
	dir := f.TempDir()
	load := func(t *testing.T, text string) (*config.Settings, error) {
		path := filepath.Join(dir, "inbox.toml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return config.Load(config.Inputs{File: path, Getenv: func(string) string { return "" }})
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := load(t, text)
		if err != nil {
			if inbox.KindOf(err) != inbox.Invalid || strings.TrimSpace(err.Error()) == "" {
				t.Errorf("%v", err)
			}
			return
		}
		printed := s.TOML()
		again, err := load(t, printed)
		if err != nil {
			t.Fatalf("the printed file is not valid: %v\n%s", err, printed)
		}
		for i, v := range s.Values() {
			if got := again.Values()[i].Value; got != v.Value {
				t.Errorf("%s is %q, and %q after it was printed", v.Key, v.Value, got)
			}
		}
		if len(again.Sources) != len(s.Sources) {
			t.Errorf("%d sources, and %d after they were printed", len(s.Sources), len(again.Sources))
		}
	})
}

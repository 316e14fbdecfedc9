package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"inbox/inbox"
	"inbox/inbox/intake"
	"inbox/inbox/qoreid"
)

// The default source, which exists without a [[source]] block, and the places of its secret.
const (
	defaultSource = "qoreid"
	pathPrefix    = "/webhooks/"
	envSecret     = "INBOX_QOREID_SECRET"
	envSecretFile = "INBOX_QOREID_SECRET_FILE"
	envCredsDir   = "CREDENTIALS_DIRECTORY" // of systemd's LoadCredential=
	credential    = "qoreid-secret"
)

var (
	namePattern   = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)
	pathPattern   = regexp.MustCompile(`^/[A-Za-z0-9._~/-]*$`)
	headerPattern = regexp.MustCompile(`^[A-Za-z0-9-]+$`)
)

// sources reads the [[source]] blocks and adds the default source. It does not add it when a block has its name or its path, nor
// when it has no secret and there are other sources. In the last case it adds a note.
func (s *Settings) sources(root *table, getenv func(string) string, r *reader) {
	places := map[string]string{} // path, folded → source
	for _, t := range root.tables("source") {
		src := readSource(t, getenv)
		t.reportUnknown()
		if s.Source(src.Name) != nil {
			t.addProblem("name", "is %q, which another source has", src.Name)
		} else if other := places[intake.FoldPath(src.Path)]; other != "" {
			t.addProblem("path", "is %s, which source %s has", src.Path, other)
		}
		places[intake.FoldPath(src.Path)] = src.Name
		s.Sources = append(s.Sources, src)
	}
	if s.Source(defaultSource) != nil {
		return
	}
	keyring := defaultKeyring(getenv)
	switch {
	case places[pathPrefix+defaultSource] != "":
	case len(s.Sources) > 0 && len(keyring.Secrets()) == 0:
		s.Notes = append(s.Notes, "there is no default source qoreid: "+envSecret+" is not set, and other sources are configured")
	default:
		s.Sources = slices.Insert(s.Sources, 0, withDefaults(Source{Name: defaultSource, Secrets: keyring}))
	}
}

func withDefaults(s Source) Source {
	setDefault(&s.Path, pathPrefix+s.Name)
	setDefault(&s.Mode, inbox.Live)
	setDefault(&s.Header, qoreid.DefaultHeader)
	setDefault(&s.Algorithm, qoreid.DefaultAlgorithm)
	setDefault(&s.KeyBy, qoreid.ByID)
	setDefault(&s.MaxBody, intake.DefaultMaxBody)
	return s
}

func setDefault[T comparable](v *T, fallback T) {
	var zero T
	if *v == zero {
		*v = fallback
	}
}

// readSource reads one [[source]] block.
func readSource(t *table, getenv func(string) string) Source {
	s := Source{
		Name:   t.match("name", namePattern, "lower-case letters, digits, - and _, 64 at most"),
		Path:   t.match("path", pathPattern, "a path such as \"/webhooks/test\""),
		Header: t.match("header", headerPattern, "the name of a header"),
	}
	if s.Name == "" && t.values["name"] == nil {
		t.addProblem("name", "is missing")
	}
	s.Mode = choice(t, "mode", inbox.Live, inbox.Test)
	s.Algorithm = choice(t, "algorithm", qoreid.SHA512, qoreid.SHA256)
	s.KeyBy = choice(t, "key", qoreid.ByID, qoreid.ByReference)
	s.NoDedup = choice(t, "dedup", "on", "off") == "off"
	if text, ok := t.text("max_body"); ok {
		n, err := parseSize(text)
		if err == nil && (n < 1 || n > 1<<30) {
			err = fmt.Errorf("is %q, not between 1 byte and 1 GiB", text)
		}
		if err != nil {
			t.addProblem("max_body", "%s", err)
		}
		s.MaxBody = n
	}
	s.Secrets = readKeyring(t, s.Name, getenv)
	for _, m := range t.tables("map") {
		s.Maps = append(s.Maps, readMap(m))
		m.reportUnknown()
	}
	return withDefaults(s)
}

// match returns a text and checks that it matches a pattern. It returns an empty text when the key is missing.
func (t *table) match(key string, pattern *regexp.Regexp, want string) string {
	v, ok := t.text(key)
	if ok && !pattern.MatchString(v) {
		t.addProblem(key, "is %q, not %s", v, want)
	}
	return v
}

// choice returns a text and checks that it is one of words. It returns an empty text when the key is missing.
func choice[T ~string](t *table, key string, words ...T) T {
	v, ok := t.text(key)
	if ok && !slices.Contains(words, T(v)) {
		t.addProblem(key, "is %q, not one of %q", v, words)
	}
	return T(v)
}

// readMap reads one [[source.map]] block: pointers into bodies that differ from QoreID's documentation.
func readMap(t *table) qoreid.Map {
	pointer := func(key string) string {
		v, ok := t.text(key)
		if ok && !strings.HasPrefix(v, "/") {
			t.addProblem(key, "is %q, not a JSON pointer such as \"/data/id\"", v)
		}
		return v
	}
	event, _ := t.text("event")
	return qoreid.Map{
		Event: event, Key: pointer("key"), Status: pointer("status"), State: pointer("state"),
		CustomerReference: pointer("customer_reference"),
	}
}

package config

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"inbox/inbox"
	"inbox/inbox/qoreid"
)

// Keyring holds the secrets of a source. It reads the file of a secret again when the file changes, so that a secret can be
// changed without a restart. It is safe for concurrent use.
type Keyring struct {
	refs         []ref
	getenv       func(string) string
	fromDefaults bool
	now          func() time.Time

	mu      sync.Mutex
	readAt  time.Time                // of the last refresh
	stamps  map[string]string        // by place: the stamp of the file that was read
	secrets map[string]qoreid.Secret // by place
	errs    map[string]error         // by place: why there is no secret now
	notes   map[string]string        // by place: a likely mistake in a secret that is used
}

// ref is a secret's name and place: "env:NAME" or "file:PATH".
type ref struct{ name, place string }

var notInName = regexp.MustCompile(`[^A-Za-z0-9._-]`)

// refreshEvery is the time between two checks of the files.
const refreshEvery = time.Second

func newKeyring(refs []ref, getenv func(string) string) *Keyring {
	return &Keyring{
		refs: refs, getenv: getenv, now: time.Now,
		stamps: map[string]string{}, secrets: map[string]qoreid.Secret{}, errs: map[string]error{}, notes: map[string]string{},
	}
}

// defaultKeyring returns the keyring of the default source: the secret in the environment, in the named file, and of systemd.
func defaultKeyring(getenv func(string) string) *Keyring {
	var refs []ref
	if getenv(envSecret) != "" {
		refs = append(refs, ref{envSecret, "env:" + envSecret})
	}
	if path := getenv(envSecretFile); path != "" {
		refs = append(refs, ref{envSecretFile, "file:" + path})
	}
	if dir := getenv(envCredsDir); dir != "" {
		if path := filepath.Join(dir, credential); fileExists(path) {
			refs = append(refs, ref{credential, "file:" + path})
		}
	}
	r := newKeyring(refs, getenv)
	r.fromDefaults = true
	return r
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// readKeyring reads the secrets of a block: a list of places, or a table of names and places. A block named qoreid without
// secrets gets the secrets of the default source.
func readKeyring(t *table, source string, getenv func(string) string) *Keyring {
	v, ok := t.take("secrets")
	if !ok {
		if source == defaultSource {
			return defaultKeyring(getenv)
		}
		t.addProblem("secrets", "is missing: name their places, as in secrets = [\"env:NAME\", \"file:/path\"]")
		return newKeyring(nil, getenv)
	}
	refs, valid := refsOf(v)
	if !valid {
		t.addProblem("secrets", "contains a value that is not \"env:NAME\" or \"file:PATH\"; do not write a secret into the file")
	} else if len(refs) == 0 {
		t.addProblem("secrets", "is empty")
	}
	return newKeyring(refs, getenv)
}

// refsOf parses a place, a list of places, or a table of names and places. It reports false when a value is no place.
func refsOf(v any) (refs []ref, valid bool) {
	valid = true
	add := func(name string, v any) {
		place, _ := v.(string)
		kind, rest, _ := strings.Cut(place, ":")
		if rest == "" || (kind != "env" && kind != "file") {
			valid = false
			return
		}
		if name == "" {
			name = filepath.Base(rest)
		}
		name = notInName.ReplaceAllString(name, "_") // it appears in labels of metrics and in logs
		refs = append(refs, ref{name, place})
	}
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			add("", x)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			add(name, v[name])
		}
	default:
		add("", v)
	}
	return refs, valid
}

// Secrets returns the current secrets. While a file is empty or cannot be read, its last secret is kept.
func (r *Keyring) Secrets() []qoreid.Secret {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	list := make([]qoreid.Secret, 0, len(r.refs))
	for _, f := range r.refs {
		if s, ok := r.secrets[f.place]; ok {
			list = append(list, s)
		}
	}
	return list
}

// refresh reads changed secrets, at most once in refreshEvery.
func (r *Keyring) refresh() {
	if now := r.now(); r.readAt.IsZero() || now.Sub(r.readAt) >= refreshEvery {
		r.readAt = now
		for _, f := range r.refs {
			r.read(f)
		}
	}
}

// read reads the secret of a place. It does not read a file with an unchanged stamp.
func (r *Keyring) read(f ref) {
	kind, rest, _ := strings.Cut(f.place, ":")
	var text string
	if kind == "env" {
		text = r.getenv(rest)
	} else {
		info, err := os.Stat(rest)
		if err != nil {
			r.errs[f.place], r.stamps[f.place] = cause(err), ""
			return
		}
		stamp := fmt.Sprint(info.Size(), fileStamp(rest))
		if stamp == r.stamps[f.place] {
			return
		}
		raw, err := readBounded(rest)
		if err != nil {
			r.errs[f.place] = cause(err)
			return
		}
		r.stamps[f.place] = stamp
		if text, err = inbox.FileText(raw); err != nil {
			r.errs[f.place] = fmt.Errorf("%w; %s", err, inbox.HintOf(err))
			return
		}
	}
	text, note, err := secretText(text)
	if err != nil {
		r.errs[f.place] = err
		return
	}
	delete(r.errs, f.place)
	r.notes[f.place] = note
	r.secrets[f.place] = qoreid.Secret{Name: f.name, Key: []byte(text)}
}

// Place describes a secret of a keyring. It does not contain the secret.
type Place struct {
	Name string // its name in logs, events and metrics
	From string // "env:NAME" or "file:PATH"
	Err  error  // why the place has no secret now; nil when it has one
	Note string // a likely mistake in the secret, which is used unchanged; empty for none
}

// Places returns the places of the secrets and their current errors.
func (r *Keyring) Places() []Place {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	list := make([]Place, 0, len(r.refs))
	for _, f := range r.refs {
		list = append(list, Place{Name: f.name, From: f.place, Err: r.errs[f.place], Note: r.notes[f.place]})
	}
	return list
}

// SecretNotes returns notices about the secrets, one sentence each: for every place without a secret, and for every secret with a
// likely mistake. No sentence contains a part of a secret.
func (s *Settings) SecretNotes() []string {
	var notes []string
	for i := range s.Sources {
		for _, p := range s.Sources[i].Secrets.Places() {
			problem := p.Note
			if p.Err != nil {
				problem = "there is no secret: " + p.Err.Error()
			}
			if problem != "" {
				notes = append(notes, fmt.Sprintf("source %s: secret %s (%s): %s", s.Sources[i].Name, p.Name, p.From, problem))
			}
		}
	}
	return notes
}

// String returns the places, never the secrets.
func (r *Keyring) String() string {
	var places []string
	for _, f := range r.refs {
		places = append(places, f.place)
	}
	return strings.Join(places, ", ")
}

// GoString returns the same as String, so that %#v does not print secrets.
func (r *Keyring) GoString() string { return r.String() }

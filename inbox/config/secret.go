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

// Ring holds the secrets of one source. Secrets in files are read again when the files change, so that a secret can
// be changed without a restart. It may be used by several goroutines.
type Ring struct {
	refs         []ref
	getenv       func(string) string
	fromDefaults bool
	now          func() time.Time

	mu      sync.Mutex
	looked  time.Time
	stamps  map[string]string
	secrets map[string]qoreid.Secret // by place
	broken  map[string]error         // by place: why it gives no secret now
	notes   map[string]string        // by place: what looks like a mistake in a secret that is used
}

// ref names a secret and says where it is: "env:NAME" or "file:PATH".
type ref struct{ name, place string }

var notInName = regexp.MustCompile(`[^A-Za-z0-9._-]`)

// lookEvery is how long what was read of the files is believed.
const lookEvery = time.Second

func newRing(refs []ref, getenv func(string) string) *Ring {
	return &Ring{refs: refs, getenv: getenv, now: time.Now, stamps: map[string]string{}, secrets: map[string]qoreid.Secret{}, broken: map[string]error{}, notes: map[string]string{}}
}

// defaultRing is the ring of the source that is not configured.
func defaultRing(getenv func(string) string) *Ring {
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
	r := newRing(refs, getenv)
	r.fromDefaults = true
	return r
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// readRing reads the secrets of a block: a list of places, or a table of names and places. A block named qoreid
// without secrets has those of the default source.
func readRing(t *table, source string, getenv func(string) string) *Ring {
	v, ok := t.take("secrets")
	if !ok {
		if source == defaultSource {
			return defaultRing(getenv)
		}
		t.wrong("secrets", "is missing: say where they are, as in secrets = [\"env:NAME\", \"file:/path\"]")
		return newRing(nil, getenv)
	}
	refs, right := refsOf(v)
	if !right {
		t.wrong("secrets", "has something that is not \"env:NAME\" or \"file:PATH\"; a secret itself does not belong into the file")
	} else if len(refs) == 0 {
		t.wrong("secrets", "names none")
	}
	return newRing(refs, getenv)
}

// refsOf reads places: one, a list, or a table of names and places. right is false when anything is something else.
func refsOf(v any) (refs []ref, right bool) {
	right = true
	add := func(name string, v any) {
		place, _ := v.(string)
		kind, rest, _ := strings.Cut(place, ":")
		if rest == "" || (kind != "env" && kind != "file") {
			right = false
			return
		}
		if name == "" {
			name = filepath.Base(rest)
		}
		name = notInName.ReplaceAllString(name, "_") // it is a label of metrics, and appears in logs
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
	return refs, right
}

// Secrets returns the secrets as they are now. A file that cannot be read, or is empty, keeps what it had.
func (r *Ring) Secrets() []qoreid.Secret {
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

// refresh looks at every place, the files once a second at most.
func (r *Ring) refresh() {
	if now := r.now(); r.looked.IsZero() || now.Sub(r.looked) >= lookEvery {
		r.looked = now
		for _, f := range r.refs {
			r.read(f)
		}
	}
}

// read reads one secret if its place changed.
func (r *Ring) read(f ref) {
	kind, rest, _ := strings.Cut(f.place, ":")
	var text string
	if kind == "env" {
		text = r.getenv(rest)
	} else {
		info, err := os.Stat(rest)
		if err != nil {
			r.broken[f.place], r.stamps[f.place] = cause(err), ""
			return
		}
		stamp := fmt.Sprint(info.Size(), stampOf(rest))
		if stamp == r.stamps[f.place] {
			return
		}
		raw, err := readBounded(rest)
		if err != nil {
			r.broken[f.place] = cause(err)
			return
		}
		r.stamps[f.place] = stamp
		if text, err = inbox.FileText(raw); err != nil {
			r.broken[f.place] = fmt.Errorf("%w; %s", err, inbox.HintOf(err))
			return
		}
	}
	text, note, err := secretText(text)
	if err != nil {
		r.broken[f.place] = err
		return
	}
	delete(r.broken, f.place)
	r.notes[f.place] = note
	r.secrets[f.place] = qoreid.Secret{Name: f.name, Key: []byte(text)}
}

// Place is one secret of a ring, without the secret.
type Place struct {
	Name string // as it is said in logs, events and counts
	From string // "env:NAME" or "file:PATH"
	Err  error  // why there is no secret now; nil when there is
	Note string // what looks like a mistake in the secret, which is used as it is; empty for nothing
}

// Places returns where the secrets are and whether they are there.
func (r *Ring) Places() []Place {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	list := make([]Place, 0, len(r.refs))
	for _, f := range r.refs {
		list = append(list, Place{Name: f.name, From: f.place, Err: r.broken[f.place], Note: r.notes[f.place]})
	}
	return list
}

// SecretNotes returns what an operator should know of the secrets, a sentence for each: a place that gives none, and a
// secret that looks as if something went wrong when it was stored. No sentence holds a part of a secret.
func (s *Settings) SecretNotes() []string {
	var notes []string
	for i := range s.Sources {
		for _, p := range s.Sources[i].Secrets.Places() {
			what := p.Note
			if p.Err != nil {
				what = "it gives no secret: " + p.Err.Error()
			}
			if what != "" {
				notes = append(notes, fmt.Sprintf("source %s: secret %s (%s): %s", s.Sources[i].Name, p.Name, p.From, what))
			}
		}
	}
	return notes
}

// String returns the places, never the secrets.
func (r *Ring) String() string {
	var places []string
	for _, f := range r.refs {
		places = append(places, f.place)
	}
	return strings.Join(places, ", ")
}

// GoString is String: a ring that is printed to find a fault must not print its secrets.
func (r *Ring) GoString() string { return r.String() }

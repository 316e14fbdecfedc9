// Package config is what the operator set: where the store lies, which addresses are listened on, and which sources
// exist with which secrets.
//
// A value comes from a flag, else from the environment, else from inbox.toml, else from its default. The file is read
// strictly: everything that is wrong in it is said at once, with lines. Secrets are never values of the file or of a
// flag, only the names of where they are, and what this package prints never holds one.
package config

import (
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"inbox/inbox"
	"inbox/inbox/datadir"
	"inbox/inbox/intake"
	"inbox/inbox/qoreid"
)

// Settings are all settings, checked.
type Settings struct {
	Data      string         // the data directory
	Listen    string         // address the webhooks come to
	Admin     string         // address of the operator's API; empty: the socket only
	Health    string         // address of /healthz, /readyz and /metrics without the API; empty: the admin address only
	Plugins   string         // the plugins folder
	Proxies   []netip.Prefix // whose X-Forwarded-For is believed
	MinFree   uint64         // bytes of disk space that are kept free
	LogFormat string         // auto, text or json
	LogLevel  slog.Level
	Sources   []Source
	File      string   // the file that was read; empty: none
	Notes     []string // what the operator should know although nothing is wrong, one sentence each

	origin map[string]string // where each value came from, by key
}

// Source is a webhook address: a path with its own secrets and mode.
type Source struct {
	Name      string
	Path      string
	Mode      inbox.Mode
	Secrets   *Ring
	Header    string
	Algorithm qoreid.Algorithm
	KeyBy     qoreid.KeyBy
	MaxBody   int64
	NoDedup   bool
	Maps      []qoreid.Map
}

// Inputs are where settings come from.
type Inputs struct {
	File   string            // as named by --config; empty: INBOX_CONFIG, else inbox.toml in the working directory if there is one
	Flags  map[string]string // the flags that were given, by their names without dashes
	Getenv func(string) string
}

// fileName is the configuration that is read without being named.
const fileName = "inbox.toml"

// Load reads and checks the settings. The error is Invalid and names everything that is wrong, a line each.
func Load(in Inputs) (*Settings, error) {
	if in.Getenv == nil {
		in.Getenv = os.Getenv
	}
	s := &Settings{origin: map[string]string{}}
	r := &reader{}
	root := s.readFile(in, r)
	for _, one := range All() {
		value, from, ok := one.pick(in, root)
		if !ok {
			value, from = one.Default, "default"
		}
		s.origin[one.Key] = from
		if err := one.set(s, value); err != nil {
			r.wrong(place(from, s.File, r, one), "%s", err)
		}
	}
	s.sources(root, in.Getenv, r)
	root.done()
	if err := r.err(); err != nil {
		return nil, err
	}
	if s.Plugins == "" {
		s.Plugins = filepath.Join(s.Data, datadir.Plugins)
	}
	return s, nil
}

// place is where a wrong value is.
func place(from, file string, r *reader, one Setting) string {
	switch from {
	case fromFlag:
		return "--" + one.Flag
	case fromEnv:
		return one.Env
	}
	return r.at(one.Key)
}

// readFile reads the named file, or the default one if it exists.
func (s *Settings) readFile(in Inputs, r *reader) *table {
	path, named := in.File, true
	if path == "" {
		path = in.Getenv("INBOX_CONFIG")
	}
	if path == "" {
		path, named = fileName, false
	}
	text, err := readBounded(path)
	switch {
	case err == nil:
		s.File = path
	case errors.Is(err, fs.ErrNotExist) && !named:
	default:
		r.wrong(path, "cannot be read: %s", cause(err))
	}
	readable, err := inbox.FileText(text)
	if err != nil {
		r.wrong(path, "cannot be read: %s; %s", err, inbox.HintOf(err))
	}
	return r.parse(path, []byte(readable))
}

// maxFile bounds the file of the settings and that of a secret, in bytes.
const maxFile = 256 << 10

// readBounded reads a regular file up to a bound. The null device counts as an empty file: it is the customary way to name no file.
func readBounded(path string) ([]byte, error) {
	if path == os.DevNull {
		return nil, nil
	}
	return datadir.Read(path, maxFile)
}

// stampOf changes whenever a file does, also when it is written in place and given its old time.
func stampOf(path string) string { return datadir.Stamp(path) }

// cause is an error of the file system without the path, which is before it anyway.
func cause(err error) error {
	var perr *os.PathError
	if ok := asPath(err, &perr); ok {
		return perr.Err
	}
	return err
}

// IntakeSources returns the sources in the form of package intake.
func (s *Settings) IntakeSources() []intake.Source {
	list := make([]intake.Source, 0, len(s.Sources))
	for i := range s.Sources {
		list = append(list, s.Sources[i].Intake())
	}
	return list
}

// Intake returns the source in the form of package intake.
func (s *Source) Intake() intake.Source {
	return intake.Source{
		Name: s.Name, Path: s.Path, Mode: s.Mode, Secrets: s.Secrets.Secrets, Header: s.Header, Algorithm: s.Algorithm,
		KeyBy: s.KeyBy, MaxBody: s.MaxBody, NoDedup: s.NoDedup, Maps: s.Maps,
	}
}

// Source returns the source of that name, nil when no source has it.
func (s *Settings) Source(name string) *Source {
	i := slices.IndexFunc(s.Sources, func(x Source) bool { return x.Name == name })
	if i < 0 {
		return nil
	}
	return &s.Sources[i]
}

// CheckSecrets returns an Invalid error when a source has no secret to check signatures with.
func (s *Settings) CheckSecrets() error {
	var without, where, broken []string
	for i := range s.Sources {
		src := &s.Sources[i]
		if len(src.Secrets.Secrets()) > 0 {
			continue
		}
		without = append(without, src.Name)
		for _, p := range src.Secrets.Places() {
			if p.Err != nil {
				broken = append(broken, p.From+": "+p.Err.Error())
			}
		}
		if src.Name == defaultSource && src.Secrets.fromDefaults {
			where = append(where, "set "+envSecret+" or "+envSecretFile+" to the Webhook Secret Key of QoreID's dashboard")
		} else {
			where = append(where, "fill "+src.Secrets.String())
		}
	}
	if len(without) == 0 {
		return nil
	}
	what := "source " + without[0] + " has"
	if len(without) > 1 {
		what = "sources " + strings.Join(without, ", ") + " have"
	}
	what += " no webhook secret"
	if len(broken) > 0 {
		what += " (" + strings.Join(broken, "; ") + ")"
	}
	return inbox.Errorf(inbox.Invalid, "", "%s", what).
		WithHint(strings.Join(where, "; ") + "; `inbox serve --no-secret` answers probes and keeps the rest in the quarantine")
}

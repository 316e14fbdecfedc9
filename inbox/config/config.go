// Package config loads the settings of the operator: the data directory, the addresses to listen on, and the sources with
// their secrets.
//
// A value comes from a flag, else from the environment, else from inbox.toml, else from its default. The file is read
// strictly: one error lists all mistakes in it, with their lines. The file and the flags contain the places of secrets, never
// the secrets. No output of this package contains a secret.
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

// Settings are all settings of a server, checked. It has one field per setting, and so more fields than other types.
type Settings struct {
	Data      string          // the data directory
	Listen    string          // address for webhooks
	Admin     string          // address of the operator's API; empty: the socket only
	Health    string          // address of /healthz, /readyz and /metrics without the API; empty: only the admin address has them
	Plugins   string          // the plugins folder
	Proxies   []netip.Prefix  // proxies whose X-Forwarded-For is trusted
	MinFree   uint64          // bytes of disk space to keep free
	Retention inbox.Retention // how long changes of state and requests are kept
	LogFormat string          // auto, text or json
	LogLevel  slog.Level
	Sources   []Source
	File      string   // the file that was read; empty: none
	Notes     []string // notices for the operator that are not errors, one sentence each

	origin map[string]string // the origin of each value, by key: a flag, the environment, the file or the default
}

// Source is a webhook address: a path with its own secrets and mode.
type Source struct {
	Name      string
	Path      string
	Mode      inbox.Mode
	Secrets   *Keyring
	Header    string
	Algorithm qoreid.Algorithm
	KeyBy     qoreid.KeyBy
	MaxBody   int64
	NoDedup   bool
	Maps      []qoreid.Map
}

// Inputs are the flags and the environment from which [Load] reads the settings.
type Inputs struct {
	File   string            // the value of --config; empty: INBOX_CONFIG, else inbox.toml in the working directory if it exists
	Flags  map[string]string // values of the flags on the command line, by flag name without dashes
	Getenv func(string) string
}

// fileName is the configuration file that is read when no other is named.
const fileName = "inbox.toml"

// Load reads and checks the settings. The error is Invalid and lists all mistakes, one a line.
func Load(in Inputs) (*Settings, error) {
	if in.Getenv == nil {
		in.Getenv = os.Getenv
	}
	s := &Settings{origin: map[string]string{}}
	r := &reader{}
	root := s.readFile(in, r)
	for _, setting := range All() {
		value, from, ok := setting.pick(in, root)
		if !ok {
			value, from = setting.Default, "default"
		}
		s.origin[setting.Key] = from
		if err := setting.set(s, value); err != nil {
			r.addProblem(place(from, r, setting), "%s", err)
		}
	}
	s.sources(root, in.Getenv, r)
	root.reportUnknown()
	if err := r.err(); err != nil {
		return nil, err
	}
	if s.Plugins == "" {
		s.Plugins = filepath.Join(s.Data, datadir.Plugins)
	}
	return s, nil
}

// place returns the place of a wrong value for an error message.
func place(from string, r *reader, setting Setting) string {
	switch from {
	case fromFlag:
		return "--" + setting.Flag
	case fromEnv:
		return setting.Env
	}
	return r.at(setting.Key)
}

// readFile reads the named file, or the default file if it exists.
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
		r.addProblem(path, "cannot be read: %s", cause(err))
	}
	readable, err := inbox.FileText(text)
	if err != nil {
		r.addProblem(path, "cannot be read: %s; %s", err, inbox.HintOf(err))
	}
	return r.parse(path, []byte(readable))
}

// maxFile bounds the configuration file and the file of a secret, in bytes.
const maxFile = 256 << 10

// readBounded reads a regular file of at most maxFile bytes. The null device counts as an empty file, as in other programs.
func readBounded(path string) ([]byte, error) {
	if path == os.DevNull {
		return nil, nil
	}
	return datadir.Read(path, maxFile)
}

// fileStamp returns a text that changes with the file, also when the file is written in place and its old time is restored.
func fileStamp(path string) string { return datadir.Stamp(path) }

// cause returns an error of the file system without the path: the message already begins with it.
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

// CheckSecrets returns an Invalid error when a source has no secret.
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
	message := "source " + without[0] + " has"
	if len(without) > 1 {
		message = "sources " + strings.Join(without, ", ") + " have"
	}
	message += " no webhook secret"
	if len(broken) > 0 {
		message += " (" + strings.Join(broken, "; ") + ")"
	}
	return inbox.Errorf(inbox.Invalid, "", "%s", message).
		WithHint(strings.Join(where, "; ") + "; `inbox serve --no-secret` answers probes and quarantines all other requests")
}

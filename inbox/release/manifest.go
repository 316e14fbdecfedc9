package release

import (
	"errors"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"inbox/inbox"
)

// file is NAME.toml, with a field for each key, but without its tables where and config, whose values keep their spelling.
// Pointers distinguish a missing value from zero.
type file struct {
	Events      *[]string `toml:"events"`
	EventTypes  *[]string `toml:"event_types"`
	Sources     *[]string `toml:"sources"`
	Modes       *[]string `toml:"modes"`
	Emit        *[]string `toml:"emit"`
	KeyBy       *string   `toml:"key_by"`
	Order       *string   `toml:"order"`
	OnFailure   *string   `toml:"on_failure"`
	Concurrency *int64    `toml:"concurrency"`
	Reuse       *int64    `toml:"reuse"`
	StartFrom   any       `toml:"start_from"`
	Engine      *string   `toml:"engine"`
	State       *int64    `toml:"state_version"`
	Retry       retry     `toml:"retry"`
	Limits      struct {
		Time   *string `toml:"time"`
		Memory any     `toml:"memory"`
		Output any     `toml:"output"`
		Log    any     `toml:"log"`
		Fuel   *int64  `toml:"fuel"`
		KV     any     `toml:"kv"`
	} `toml:"limits"`
	Data struct {
		Fields    *[]string `toml:"fields"`
		InlineMax any       `toml:"inline_max"`
	} `toml:"data"`
	HTTP struct {
		Allow     *[]string `toml:"allow"`
		Private   *[]string `toml:"private"`
		Redirects bool      `toml:"redirects"`
		CA        *string   `toml:"ca"`
		OnFailure *string   `toml:"on_failure"`
		Retry     retry     `toml:"retry"`
	} `toml:"http"`
	Secrets map[string]struct {
		Value   *string   `toml:"value"`
		Origins *[]string `toml:"origins"`
	} `toml:"secrets"`
}

// retry is the table retry.
type retry struct {
	MaxAttempts *int64  `toml:"max_attempts"`
	Base        *string `toml:"base"`
	Max         *string `toml:"max"`
}

// keys are all keys, for the hint at the most similar key.
var keys = []string{
	"events", "event_types", "sources", "modes", "where", "emit", "key_by", "order", "on_failure", "concurrency", "reuse",
	"start_from", "config", "retry", "retry.max_attempts", "retry.base", "retry.max", "limits", "limits.time",
	"limits.memory", "limits.output", "limits.log", "limits.fuel", "limits.kv", "state_version", "engine", "data", "data.fields", "data.inline_max",
	"http", "http.allow", "http.private", "http.redirects", "http.ca", "http.on_failure", "http.retry", "http.retry.max_attempts", "http.retry.base",
	"http.retry.max", "secrets",
}

// laterKeys are keys of contract v1 that this version does not support. A plugin that needs them must not run without them.
var laterKeys = []string{"http.proxy"}

// ParseManifest reads NAME.toml. One error lists all problems with their lines; it is Invalid. Missing fields are zero, see
// [inbox.Manifest.WithDefaults]. ParseManifest skips a byte order mark.
func ParseManifest(text []byte) (inbox.Manifest, error) {
	m, _, err := parseManifest(text)
	return m, err
}

// parseManifest is ParseManifest that also returns the outline, with the spelling of every value.
func parseManifest(raw []byte) (inbox.Manifest, *outline, error) {
	if len(raw) > MaxManifest {
		return inbox.Manifest{}, nil, inbox.Errorf(inbox.Invalid, "read the manifest", "it has %d bytes, more than %d", len(raw), MaxManifest)
	}
	text, err := inbox.FileText(raw)
	if err != nil {
		return inbox.Manifest{}, nil, inbox.Errorf(inbox.Invalid, "read the manifest", "%w", err)
	}
	o := outlineOf([]byte(text))
	if o.err != nil {
		return inbox.Manifest{}, nil, o.err
	}
	p := parser{outline: o}
	m, ok := p.manifest(text)
	if err := p.err(); err != nil || !ok {
		return inbox.Manifest{}, nil, err
	}
	return m, o, nil
}

// manifest reads the values and adds their problems. It reports whether the file could be read at all.
func (p *parser) manifest(text string) (inbox.Manifest, bool) {
	var f file
	if err := toml.NewDecoder(strings.NewReader(text)).DisallowUnknownFields().Decode(&f); err != nil && !p.addDecodeError(err) {
		return inbox.Manifest{}, false
	}
	m := inbox.Manifest{
		Events: p.patterns("events", f.Events), EventTypes: p.patterns("event_types", f.EventTypes),
		Sources: p.patterns("sources", f.Sources), Modes: p.modes(f.Modes), Where: p.where(), Emit: p.emit(f.Emit),
		KeyBy: p.keyBy(f.KeyBy), Order: oneOf(p, "order", f.Order, inbox.ByKey, inbox.Global, inbox.Unsorted),
		Concurrency: p.within("concurrency", f.Concurrency, 1, 64), Reuse: p.within("reuse", f.Reuse, 1, 1_000_000),
		StartFrom: p.startFrom(f.StartFrom), Config: p.config(), StateVersion: p.within("state_version", f.State, 0, 1_000_000),
		Engine: oneOf(p, "engine", f.Engine, inbox.Compiler, inbox.Interpreter),
		Policy: p.policy("", &f.Retry, f.OnFailure, inbox.Park, inbox.Continue, inbox.Block), HTTP: p.http(&f),
		Limits: inbox.Limits{
			Time:   p.duration("limits.time", f.Limits.Time, time.Millisecond, 10*time.Minute),
			Memory: p.bytes("limits.memory", f.Limits.Memory, 64<<10, 4<<30),
			Output: p.bytes("limits.output", f.Limits.Output, 1, 64<<20),
			Log:    p.bytes("limits.log", f.Limits.Log, 1, 16<<20),
			Fuel:   int64(p.within("limits.fuel", f.Limits.Fuel, 1, 1e15)),
			KV:     p.bytes("limits.kv", f.Limits.KV, 1, 1<<30),
		},
		Data: inbox.Data{
			Fields:    p.pointers("data.fields", f.Data.Fields),
			InlineMax: p.bytes("data.inline_max", f.Data.InlineMax, 128, 64<<20),
		},
	}
	return m, true
}

// addDecodeError adds the problems that the TOML decoder found. It reports whether the values can still be read. After unknown
// keys they can, after any other error they cannot.
func (p *parser) addDecodeError(err error) (goOn bool) {
	var missing *toml.StrictMissingError
	var bad *toml.DecodeError
	switch {
	case errors.As(err, &missing):
		for _, e := range missing.Errors {
			if table := e.Key()[0]; table == "where" || table == "config" {
				continue // they are read from the outline
			}
			row, _ := e.Position()
			p.add(row, unknownKey(strings.Join(e.Key(), ".")))
		}
		return true
	case errors.As(err, &bad):
		row, _ := bad.Position()
		p.add(row, strings.TrimPrefix(bad.Error(), "toml: "))
	default:
		p.add(0, err.Error())
	}
	return false
}

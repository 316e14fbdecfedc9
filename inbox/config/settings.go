package config

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Origins of a value, besides the default.
const (
	fromFlag = "flag"
	fromEnv  = "environment"
	fromFile = "file"
)

// Setting is a setting with a single value: its names in the file, on the command line and in the environment, and its default.
type Setting struct {
	Key     string // its name in inbox.toml, with dots
	Flag    string // the flag of `inbox serve`, without dashes
	Env     string
	Default string
	Usage   string

	set func(s *Settings, text string) error
	get func(s *Settings) string
}

// All returns every setting, in the order in which they are printed.
func All() []Setting {
	return []Setting{
		{
			Key: "data", Flag: "data", Env: "INBOX_DATA", Default: "./inbox-data", Usage: "the data directory",
			set: func(s *Settings, v string) error { return notEmpty(&s.Data, v) },
			get: func(s *Settings) string { return s.Data },
		}, {
			Key: "listen", Flag: "listen", Env: "INBOX_LISTEN", Default: "127.0.0.1:8080", Usage: "address for webhooks",
			set: func(s *Settings, v string) error { return address(&s.Listen, v, false) },
			get: func(s *Settings) string { return s.Listen },
		}, {
			Key: "admin", Flag: "admin", Env: "INBOX_ADMIN", Default: "127.0.0.1:8081",
			Usage: "address of the operator's API; \"\" leaves only the socket in the data directory",
			set:   func(s *Settings, v string) error { return address(&s.Admin, v, true) },
			get:   func(s *Settings) string { return s.Admin },
		}, {
			Key: "health", Flag: "health", Env: "INBOX_HEALTH", Usage: "address of /healthz, /readyz and /metrics without the API",
			set: func(s *Settings, v string) error { return address(&s.Health, v, true) },
			get: func(s *Settings) string { return s.Health },
		}, {
			Key: "plugins", Flag: "plugins", Env: "INBOX_PLUGINS", Usage: "the plugins folder; default `plugins` in the data directory",
			set: func(s *Settings, v string) error { s.Plugins = v; return nil },
			get: func(s *Settings) string { return s.Plugins },
		}, {
			Key: "trusted_proxies", Flag: "trusted-proxies", Env: "INBOX_TRUSTED_PROXIES",
			Usage: "addresses or networks of proxies whose X-Forwarded-For is trusted, separated by commas",
			set:   func(s *Settings, v string) error { return prefixes(&s.Proxies, v) },
			get:   proxies,
		}, {
			Key: "min_free", Flag: "min-free", Env: "INBOX_MIN_FREE", Default: "1 GiB",
			Usage: "disk space to keep free: below it plugins stop, and webhooks are still stored",
			set:   func(s *Settings, v string) error { return minFree(&s.MinFree, v) },
			get:   func(s *Settings) string { return sizeText(int64(s.MinFree)) },
		}, {
			Key: "retention.state", Flag: "retention-state", Env: "INBOX_RETENTION_STATE", Default: "90d",
			Usage: "how long changes of state documents are kept, such as 90d, 12h or forever; the newest of each document always is",
			set:   func(s *Settings, v string) error { return retention(&s.Retention.State, v) },
			get:   func(s *Settings) string { return retentionText(s.Retention.State) },
		}, {
			Key: "retention.effects", Flag: "retention-effects", Env: "INBOX_RETENTION_EFFECTS", Default: "90d",
			Usage: "how long sent and discarded requests of plugins, and their fetches, are kept with the answers",
			set:   func(s *Settings, v string) error { return retention(&s.Retention.Effects, v) },
			get:   func(s *Settings) string { return retentionText(s.Retention.Effects) },
		}, {
			Key: "log.format", Flag: "log-format", Env: "INBOX_LOG_FORMAT", Default: "auto",
			Usage: "auto, text or json; auto is text on a terminal and json elsewhere",
			set:   func(s *Settings, v string) error { return oneOf(&s.LogFormat, v, "auto", "text", "json") },
			get:   func(s *Settings) string { return s.LogFormat },
		}, {
			Key: "log.level", Flag: "log-level", Env: "INBOX_LOG_LEVEL", Default: "info", Usage: "debug, info, warn or error",
			set: func(s *Settings, v string) error { return level(&s.LogLevel, v) },
			get: func(s *Settings) string { return strings.ToLower(s.LogLevel.String()) },
		},
	}
}

// pick returns the value with the highest precedence and its origin. An empty environment variable counts as not set.
func (v Setting) pick(in Inputs, root *table) (value, from string, ok bool) {
	fileValue, inFile := root.text(v.Key) // always, so that a wrong type is reported although a flag takes precedence
	if value, ok := in.Flags[v.Flag]; ok {
		return value, fromFlag, true
	}
	if value := in.Getenv(v.Env); value != "" {
		return value, fromEnv, true
	}
	return fileValue, fromFile, inFile
}

func notEmpty(to *string, v string) error {
	*to = v
	if v == "" {
		return fmt.Errorf("must not be empty")
	}
	return nil
}

func address(to *string, v string, mayBeEmpty bool) error {
	*to = v
	if v == "" && mayBeEmpty {
		return nil
	}
	_, port, err := net.SplitHostPort(v)
	if err != nil {
		return fmt.Errorf("is %q, not an address such as \"127.0.0.1:8080\"", v)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("is %q, whose port is not a number from 0 to 65535", v)
	}
	return nil
}

func prefixes(to *[]netip.Prefix, v string) error {
	for _, part := range strings.Split(v, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		p, err := netip.ParsePrefix(part)
		if addr, aerr := netip.ParseAddr(part); err != nil && aerr == nil {
			p, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			return fmt.Errorf("contains %q, which is neither an address nor a network such as \"10.0.0.0/8\"", part)
		}
		*to = append(*to, p)
	}
	return nil
}

func proxies(s *Settings) string {
	list := make([]string, 0, len(s.Proxies))
	for _, p := range s.Proxies {
		list = append(list, p.String())
	}
	return strings.Join(list, ",")
}

func minFree(to *uint64, v string) error {
	n, err := parseSize(v)
	*to = uint64(max(n, 1)) // the store takes zero for its default
	return err
}

func oneOf(to *string, v string, choices ...string) error {
	*to = v
	if !slices.Contains(choices, v) {
		return fmt.Errorf("is %q, not one of %s", v, strings.Join(choices, ", "))
	}
	return nil
}

func level(to *slog.Level, v string) error {
	var word string
	if err := oneOf(&word, v, "debug", "info", "warn", "error"); err != nil {
		return err
	}
	return to.UnmarshalText([]byte(v))
}

var sizePattern = regexp.MustCompile(`^([0-9]{1,15}) ?(|B|KiB|MiB|GiB|TiB|KB|MB|GB|TB)$`)

func units() map[string]int64 {
	return map[string]int64{
		"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
	}
}

// parseSize parses a number of bytes, or a number with a unit, such as "64 MiB".
func parseSize(v string) (int64, error) {
	m := sizePattern.FindStringSubmatch(v)
	if m == nil {
		return 0, fmt.Errorf("is %q, not a size such as \"64 MiB\"", v)
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("is %q: %w", v, err)
	}
	unit := units()[m[2]]
	if n > (1<<62)/unit {
		return 0, fmt.Errorf("is %q, which is too large", v)
	}
	return n * unit, nil
}

// sizeText formats a number of bytes so that parseSize returns the same number.
func sizeText(n int64) string {
	for _, u := range []string{"TiB", "GiB", "MiB", "KiB"} {
		if unit := units()[u]; n >= unit && n%unit == 0 {
			return strconv.FormatInt(n/unit, 10) + " " + u
		}
	}
	return strconv.FormatInt(n, 10)
}

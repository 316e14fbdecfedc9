package api

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"inbox/inbox"
)

// Query encodes a filter as the parameters of a URL. [ParseFilter] decodes it.
func Query(f inbox.Filter, ids []string) url.Values {
	q := url.Values{}
	many := func(name string, values []string) {
		for _, v := range values {
			q.Add(name, v)
		}
	}
	one := func(name, v string) {
		if v != "" {
			q.Set(name, v)
		}
	}
	many("id", ids)
	for _, seq := range f.Seqs {
		q.Add("seq", strconv.FormatInt(seq, 10))
	}
	many("event", f.Events)
	many("event_type", f.EventTypes)
	many("source", f.Sources)
	many("status", f.Statuses)
	one("mode", string(f.Mode))
	one("key", f.Key)
	one("customer_reference", f.CustomerReference)
	one("plugin", f.Plugin)
	for _, c := range f.Where {
		for _, v := range c.Values {
			q.Add("where", c.Pointer+"="+v)
		}
	}
	when := func(name string, t time.Time) {
		if !t.IsZero() {
			q.Set(name, t.UTC().Format(time.RFC3339Nano))
		}
	}
	when("since", f.Since)
	when("until", f.Until)
	count := func(name string, n int64) {
		if n != 0 {
			q.Set(name, strconv.FormatInt(n, 10))
		}
	}
	count("limit", int64(f.Limit))
	count("after", f.After)
	count("before", f.Before)
	if f.Newest {
		q.Set("newest", "true")
	}
	return q
}

// ParseFilter reads the parameters of a URL that [Query] writes. It removes them from q. Parameters that are named in also
// are left to the caller; any other parameter is Invalid.
func ParseFilter(q url.Values, also ...string) (f inbox.Filter, ids []string, err error) {
	p := parameters{q: q}
	f = inbox.Filter{
		Events: p.many("event"), EventTypes: p.many("event_type"), Sources: p.many("source"), Statuses: p.many("status"),
		Mode: inbox.Mode(p.one("mode")), Key: p.one("key"), CustomerReference: p.one("customer_reference"), Plugin: p.one("plugin"),
		Since: p.time("since"), Until: p.time("until"), Where: p.where(),
		Limit: int(p.number("limit")), After: p.number("after"), Before: p.number("before"), Newest: p.one("newest") == "true",
	}
	for _, text := range p.many("seq") {
		f.Seqs = append(f.Seqs, p.parse("seq", text))
	}
	ids = p.many("id")
	for _, name := range also {
		q.Del(name)
	}
	for name := range q {
		p.wrong("there is no parameter %q here", name)
	}
	if f.Mode != "" && !f.Mode.Valid() {
		p.wrong("mode is %q, not live or test", f.Mode)
	}
	return f, ids, p.err
}

// ParseWhere parses texts of the form "POINTER=VALUE". Several values of one pointer are alternatives.
func ParseWhere(texts []string) ([]inbox.Condition, error) {
	var list []inbox.Condition
next:
	for _, text := range texts {
		pointer, value, ok := strings.Cut(text, "=")
		if !ok || !strings.HasPrefix(pointer, "/") {
			return nil, inbox.Errorf(inbox.Invalid, "", "where is %q, not a JSON pointer and a value, as in /data/status/state=COMPLETE", text)
		}
		for i := range list {
			if list[i].Pointer == pointer {
				list[i].Values = append(list[i].Values, value)
				continue next
			}
		}
		list = append(list, inbox.Condition{Pointer: pointer, Values: []string{value}})
	}
	return list, nil
}

// parameters reads and removes parameters, and keeps the first error.
type parameters struct {
	q   url.Values
	err error
}

func (p *parameters) wrong(format string, args ...any) {
	if p.err == nil {
		p.err = inbox.Errorf(inbox.Invalid, "", format, args...)
	}
}

func (p *parameters) many(name string) []string {
	v := p.q[name]
	p.q.Del(name)
	return v
}

func (p *parameters) one(name string) string {
	v := p.many(name)
	if len(v) > 1 {
		p.wrong("%s is given more than once", name)
	}
	return strings.Join(v, "")
}

func (p *parameters) parse(name, text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		p.wrong("%s is %q, not a number", name, text)
	}
	return n
}

func (p *parameters) number(name string) int64 {
	if text := p.one(name); text != "" {
		return p.parse(name, text)
	}
	return 0
}

func (p *parameters) time(name string) time.Time {
	text := p.one(name)
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		p.wrong("%s is %q, not a time as in RFC 3339", name, text)
	}
	return t
}

func (p *parameters) where() []inbox.Condition {
	list, err := ParseWhere(p.many("where"))
	if err != nil && p.err == nil {
		p.err = err
	}
	return list
}

// ParseAudit reads the parameters that [Client.Audit] writes. Any other parameter is Invalid.
func ParseAudit(q url.Values) (inbox.AuditFilter, error) {
	p := parameters{q: q}
	f := inbox.AuditFilter{
		Action: p.one("action"), Actor: p.one("actor"), Since: p.time("since"), Until: p.time("until"), Limit: int(p.number("limit")),
	}
	for name := range p.q {
		p.wrong("there is no parameter %q here", name)
	}
	return f, p.err
}

// ParseNumber returns the number in the parameter name of q, or fallback when it is absent or empty. A negative number is
// Invalid. It removes the parameter from q.
func ParseNumber(q url.Values, name string, fallback int) (int, error) {
	p := parameters{q: q}
	text := p.one(name)
	if text == "" {
		return fallback, p.err
	}
	n := p.parse(name, text)
	return int(n), p.err
}

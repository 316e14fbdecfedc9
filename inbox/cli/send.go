package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
	"inbox/inbox/cli/console"
	"inbox/inbox/config"
	"inbox/inbox/datadir"
	"inbox/inbox/qoreid"
)

func (p *program) sendCommand() *cli.Command {
	return p.leaf(spec{
		name: "send", aliases: []string{"trigger"}, usage: "send signed sample events", args: "[EVENT[/TYPE]]", max: 1, formats: listFormats(),
		about: "EVENT is an event in QoreID's documentation; without a TYPE the last step of its life is sent. Each event has a fresh id;\n" +
			"with --life the events of a verification share one. The events are signed with the first secret of the source: by default the\n" +
			"first test source, or, without one, the first source. The events are made up, so they are not sent to a live source on\n" +
			"another machine without --live.",
		flags: []cli.Flag{
			&cli.StringFlag{Name: "data", Usage: "send this `BODY` instead of a sample: JSON, @FILE, or @- for standard input"},
			&cli.StringSliceFlag{Name: "set", Usage: "set `POINTER=VALUE` in the body before it is signed, as in /data/status/status=NOT_VERIFIED"},
			&cli.IntFlag{Name: "count", Aliases: []string{"n"}, Value: 1, Usage: "send `N` events"},
			flag("same", "send the same body every time"),
			&cli.StringFlag{Name: "source", Usage: "sign and send as this source `NAME`"},
			&cli.StringFlag{Name: "to", Usage: "send to this `URL` instead of the configured address"},
			flag("live", "send to a live source"),
			flag("life", "send every event of a verification's life, from started to completed, with one id"),
			flag("all", "send a sample of every kind of event, also of the other layouts"),
			flag("list", "list the kinds of events that have samples"),
		},
		run: p.send,
	})
}

// sendOptions has the options of one call of send.
type sendOptions struct {
	source *config.Source
	key    []byte
	url    string
	kind   qoreid.Kind
	kinds  []qoreid.Kind // the kinds to send, --count times
	data   []byte        // body instead of a sample; nil: samples
	sets   []string
	same   bool
}

// sent is the result of sending one event.
type sent struct {
	ID     string `json:"id"`
	Seq    int64  `json:"seq"`
	Status string `json:"status"`
	Code   int    `json:"code"`
	Event  string `json:"event"`
	Error  string `json:"error,omitempty"`
}

func (p *program) send(c *cli.Context) error {
	if c.Bool("list") {
		return console.NewList(&p.Console, qoreid.Kind.String, console.Col("EVENT/TYPE", qoreid.Kind.String)).All(qoreid.Kinds())
	}
	s, err := p.readSendOptions(c)
	if err != nil {
		return err
	}
	out := console.NewList(&p.Console, func(x sent) string { return x.ID },
		console.Col("ID", func(x sent) string { return console.OrDash(x.ID) }),
		console.Col("SEQ", func(x sent) string { return fmt.Sprint(x.Seq) }),
		console.Col("STATUS", func(x sent) string { return x.Status }),
		console.Col("CODE", func(x sent) string { return fmt.Sprint(x.Code) }),
		console.Col("EVENT", func(x sent) string { return x.Event }),
	)
	refused, err := p.sendAll(s, c.Int("count"), out)
	if err == nil || out.Len() > 0 { // after an error the list of the events that were sent is still closed
		if eerr := out.End(); err == nil {
			err = eerr
		}
	}
	if err == nil && refused > 0 {
		err = console.Incomplete("%s not accepted", console.Plural(refused, "event was", "events were"))
	}
	return err
}

// sendAll sends all kinds count times, and returns the number of events that were not accepted.
func (p *program) sendAll(s *sendOptions, count int, out *console.List[sent]) (refused int, err error) {
	var bodies [][]byte
	for i := range count {
		if i == 0 || !s.same {
			if bodies, err = s.bodies(count > 1); err != nil {
				return refused, err
			}
		}
		for _, body := range bodies {
			answer, err := p.post(s, body)
			if err != nil {
				return refused, err
			}
			if !answer.accepted() {
				refused++
				p.Say("%s answered %d: %s", s.url, answer.Code, console.Shorten(answer.Error))
			}
			if p.Format == "ids" && answer.ID == "" {
				continue
			}
			if err := out.Add(answer); err != nil {
				return refused, err
			}
		}
	}
	return refused, nil
}

func (p *program) readSendOptions(c *cli.Context) (*sendOptions, error) {
	settings, err := p.load(c, nil)
	if err != nil {
		return nil, err
	}
	s := &sendOptions{sets: c.StringSlice("set"), same: c.Bool("same")}
	s.kind = qoreid.ParseKind(c.Args().First())
	if c.IsSet("data") {
		if s.data, err = p.dataFlag(c.String("data")); err != nil {
			return nil, err
		}
	}
	if c.Int("count") < 1 {
		return nil, usage("--count is %d", c.Int("count"))
	}
	if s.kinds, err = kindsToSend(c, s.kind, s.data != nil); err != nil {
		return nil, err
	}
	if s.source, err = sourceToSend(settings, c); err != nil {
		return nil, err
	}
	secrets := s.source.Secrets.Secrets()
	if len(secrets) == 0 {
		return nil, settings.CheckSecrets()
	}
	s.key = secrets[0].Key
	if s.url, err = targetURL(settings, s.source, c.String("to")); err != nil {
		return nil, err
	}
	return s, p.confirmLive(c, s)
}

// sourceToSend returns the source in --source, the source with the path of --to, the first test source, or the first source.
func sourceToSend(settings *config.Settings, c *cli.Context) (*config.Source, error) {
	if name := c.String("source"); name != "" {
		return chooseSource(settings, name)
	}
	if u, err := url.Parse(c.String("to")); err == nil && u.Path != "" && u.Path != "/" {
		for i := range settings.Sources {
			if settings.Sources[i].Path == u.Path {
				return &settings.Sources[i], nil
			}
		}
	}
	for i := range settings.Sources {
		if settings.Sources[i].Mode == inbox.Test && !c.Bool("live") {
			return &settings.Sources[i], nil
		}
	}
	return &settings.Sources[0], nil
}

// targetURL returns the URL to send to. to has precedence, then the address on which a server listens, then the address in the settings.
// A URL without a path gets the source's path.
func targetURL(settings *config.Settings, src *config.Source, to string) (string, error) {
	if to == "" {
		listen := settings.Listen
		if h, running := datadir.Holder(settings.Data); running && h.Webhooks != "" {
			listen = h.Webhooks
		}
		host, port, err := net.SplitHostPort(listen)
		if err != nil {
			return "", usage("the setting listen is %q, not an address", listen)
		}
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			host = "127.0.0.1"
		}
		to = "http://" + net.JoinHostPort(host, port)
	}
	u, err := url.Parse(to)
	if err != nil || u.Host == "" {
		return "", usage("--to is %q, not a URL such as http://127.0.0.1:8080", to)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = src.Path
	}
	return u.String(), nil
}

// confirmLive rejects made-up events for a live source on another machine, and warns about a live source on this machine. It does
// neither with --live.
func (p *program) confirmLive(c *cli.Context, s *sendOptions) error {
	if s.source.Mode != inbox.Live || c.Bool("live") {
		return nil
	}
	u, err := url.Parse(s.url)
	if err != nil {
		return usage("%q is not a URL: %w", s.url, err)
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
		p.Say("source %s is live: plugins cannot tell these events from real ones", s.source.Name)
		return nil
	}
	err = inbox.Errorf(inbox.Invalid, "", "source %s at %s is live, and this event is made up", s.source.Name, u.Host).WithHint("add --live to send it anyway")
	return &console.ExitError{Code: console.ExitDeclined, Err: err}
}

// dataFlag returns the body in --data: the content of a file or of standard input, or the value itself.
func (p *program) dataFlag(text string) ([]byte, error) {
	if path, ok := strings.CutPrefix(text, "@"); ok {
		return p.readInput(path)
	}
	return []byte(text), nil
}

// post signs a body and sends it.
func (p *program) post(s *sendOptions, body []byte) (sent, error) {
	r, err := http.NewRequestWithContext(p.ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return sent{}, usage("%q is not a URL: %w", s.url, err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(s.source.Header, qoreid.Sign(s.source.Algorithm, s.key, body))
	client := &http.Client{Timeout: 30 * time.Second, CheckRedirect: noRedirect}
	resp, err := client.Do(r)
	if err != nil {
		if p.ctx.Err() != nil {
			return sent{}, p.ctx.Err()
		}
		return sent{}, inbox.Errorf(inbox.Unavailable, "send to "+s.url, "%w", err).WithHint("is `inbox serve` running there?")
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // the received part of an incomplete answer is shown
	result := sent{Code: resp.StatusCode, Event: eventOf(s, body)}
	var reply struct {
		ID     string `json:"id"`
		Seq    int64  `json:"seq"`
		Status string `json:"status"`
		Error  struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(answer, &reply) == nil {
		result.ID, result.Seq, result.Status, result.Error = reply.ID, reply.Seq, reply.Status, reply.Error.Message
	}
	switch to := resp.Header.Get("Location"); {
	case resp.StatusCode/100 == 3 && to != "":
		result.Status = "redirected"
		result.Error = "it redirects to " + to + "; a sender that follows the redirect may lose the body, so give QoreID that address"
	case result.Status == "" && resp.StatusCode == http.StatusOK:
		result.Status = "not stored"
		result.Error = "the answer is not from inbox, so the event may not be stored"
	case result.Status == "":
		result.Status = strings.ToLower(http.StatusText(resp.StatusCode))
	}
	return result, nil
}

// accepted reports whether the receiver confirmed the event.
func (x *sent) accepted() bool {
	return x.Code == http.StatusOK && x.Error == ""
}

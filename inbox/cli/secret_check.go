package cli

import (
	"fmt"
	"math"
	"strings"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/cli/console"
	"inbox/inbox/config"
	"inbox/inbox/datadir"
	"inbox/inbox/store"
)

func (p *program) secretCheck(c *cli.Context) error {
	if c.IsSet("signature") || c.IsSet("body-file") {
		return p.checkSignature(c)
	}
	if c.Int("last") < 1 {
		return usage("--last is %d", c.Int("last"))
	}
	var shell *config.Settings // the settings of this shell; nil with --url
	running := false
	if p.flagOrEnv(c, "url", "INBOX_URL") == "" {
		var err error
		if shell, running, err = p.checkSecretPlaces(c); err != nil {
			return err
		}
	}
	client, err := p.client(c)
	if shell != nil && inbox.KindOf(err) == inbox.NotFound {
		p.Say("there is no store yet, so nothing was refused")
		return p.refusedRows().End()
	}
	if err != nil {
		return err
	}
	refused, err := client.Quarantine(p.ctx, c.String("source"), c.Int("last"), true)
	if err != nil {
		return err
	}
	if running {
		p.verifyWithShell(shell, refused)
	}
	if err := p.printRefused(refused); err != nil {
		return err
	}
	return p.reportTotal(c, client, len(refused))
}

// reportTotal reports the number of all refused requests. It returns an error if there are any.
func (p *program) reportTotal(c *cli.Context, client *api.Client, shown int) error {
	total := shown
	if shown == c.Int("last") {
		all, err := client.Quarantine(p.ctx, c.String("source"), math.MaxInt32, false)
		if err != nil {
			return err
		}
		total = max(shown, len(all))
	}
	if total > shown {
		p.Say("the newest %d of %d are explained; --last %d explains all", shown, total, total)
	}
	if total > 0 {
		return console.Incomplete("%s in the quarantine", console.Plural(total, "refused request is", "refused requests are"))
	}
	return nil
}

// checkSecretPlaces lists the places of the secrets of every source, or of one source, in the settings of this shell. It returns an
// error if a source has none. A running server has its own secrets, so there is no error when one runs.
func (p *program) checkSecretPlaces(c *cli.Context) (s *config.Settings, running bool, err error) {
	if s, err = p.settings(c); err != nil {
		return nil, false, err
	}
	_, running = datadir.Holder(s.Data)
	asked := *s
	if name := c.String("source"); name != "" {
		src, err := chooseSource(s, name)
		if err != nil {
			return nil, false, err
		}
		asked.Sources = []config.Source{*src}
	}
	for i := range asked.Sources {
		p.printSecretPlaces(&asked.Sources[i])
	}
	err = asked.CheckSecrets()
	switch {
	case err != nil && !running:
		return nil, false, &console.ExitError{Code: console.ExitIncomplete, Err: err}
	case err != nil:
		p.Say("in this shell %s; the running server has its own secrets", err)
	}
	return s, running, nil
}

func (p *program) printSecretPlaces(src *config.Source) {
	for _, place := range src.Secrets.Places() {
		switch {
		case place.Err != nil:
			p.Say("source %s: secret %s is missing: %s: %s", src.Name, place.Name, place.From, place.Err)
		case place.Note != "":
			p.Say("source %s: secret %s is set (%s), but %s", src.Name, place.Name, place.From, place.Note)
		default:
			p.Say("source %s: secret %s is set (%s)", src.Name, place.Name, place.From)
		}
	}
}

// passesNow is the beginning of the explanation of a request that passes.
const passesNow = "it passes now"

// verifyWithShell verifies refused requests also with the secrets of this shell, and adds explanations that differ from the server's. Most
// requests in quarantines were refused because a secret was changed in a place that the server did not read again. The bodies are
// read from the store of the data directory, so that no secret is sent to the server.
func (p *program) verifyWithShell(shell *config.Settings, refused []api.Refused) {
	st, err := store.Open(p.ctx, store.Options{Dir: shell.Data, MinFree: shell.MinFree})
	if err != nil {
		p.sayVerbose("the secrets of this shell were not used: %s", err)
		return
	}
	p.closers = append(p.closers, st.Close)
	serverOnly := false
	for i := range refused {
		r := &refused[i]
		src := shell.Source(r.Source)
		stored, err := st.RefusedRequest(p.ctx, r.ID)
		if err != nil || src == nil || len(src.Secrets.Secrets()) == 0 {
			continue
		}
		text, other := mergeExplanations(r.Explained, shell.Explain(stored))
		r.Explained, serverOnly = text, serverOnly || other
	}
	if serverOnly {
		p.Say("some requests pass with the server's secret, but not with your shell's, which is another")
	}
}

// mergeExplanations adds the result with this shell's secrets to the server's explanation of a request, unless they agree. It reports
// whether the request passes only with the server's secrets.
func mergeExplanations(server, here string) (text string, serverOnly bool) {
	passes := strings.HasPrefix(server, passesNow)
	switch {
	case here == "" && !passes:
		return "it passes with your shell's secret, but the server has another: start the server with your shell's, then `inbox secret recheck` admits it", false
	case here != "" && !passes && !strings.HasPrefix(server, here):
		return server + "; with your shell's secret: " + here, false
	}
	return server, here != "" && passes
}

// printRefused writes refused requests. On a terminal the explanations follow the table, each once, since they are long and repeated.
func (p *program) printRefused(refused []api.Refused) error {
	if err := p.refusedRows().All(refused); err != nil || p.Format != "table" || !p.OutTerminal {
		return err
	}
	var order []string
	count := map[string]int{}
	for _, r := range refused {
		text := r.Why + ": " + r.Explained
		if count[text]++; count[text] == 1 {
			order = append(order, text)
		}
	}
	for _, text := range order {
		if err := p.Print("\n%s", p.Hanging("", fmt.Sprintf("%d %s", count[text], text))); err != nil {
			return err
		}
	}
	return nil
}

func (p *program) refusedRows() *console.List[api.Refused] {
	columns := []console.Column[api.Refused]{
		console.Col("LAST", func(r api.Refused) string { return p.Stamp(r.LastAt) }),
		console.Col("SOURCE", func(r api.Refused) string { return r.Source }),
		console.Col("FROM", func(r api.Refused) string { return r.Address }),
		console.Col("COUNT", func(r api.Refused) string { return fmt.Sprint(r.Count) }),
		console.Col("WHY", func(r api.Refused) string { return r.Why }),
	}
	if !p.OutTerminal {
		columns = append(columns, console.Col("EXPLAINED", func(r api.Refused) string { return console.OrDash(r.Explained) }))
	}
	return console.NewList(&p.Console, func(r api.Refused) string { return fmt.Sprint(r.ID) }, columns...)
}

package cli

import (
	"cmp"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/cli/console"
)

// resolvable returns the word for the requests that a verb is for.
func resolvable(verb string) string {
	return map[string]string{"release": "held", "drop": "unsent"}[verb]
}

// resolveEffects retries, discards, releases or drops requests. The arguments are their numbers. A dry run selects them, and the
// operator confirms. Then exactly these are resolved.
func (p *program) resolveEffects(c *cli.Context, verb string) error {
	req, err := p.effectSelection(c, verb)
	switch {
	case err != nil:
		return err
	case c.NArg() > 0 && len(req.Effects) == 0:
		return endWithoutIDs(p, p.effectRows())
	}
	client, err := p.client(c)
	if err != nil {
		return err
	}
	preview, err := client.ResolveEffects(p.ctx, verb, req)
	switch {
	case err != nil:
		return err
	case len(preview.Effects) == 0:
		return p.reportNoEffect(verb, len(req.Effects) > 0)
	case c.Bool("dry-run"):
		p.Say("%s would be %s", console.Plural(int64(len(preview.Effects)), "request", "requests"), pastTense(verb))
		return p.effectRows().All(preview.Effects)
	}
	if len(req.Effects) == 0 || verb != "retry" { // a retry of named requests needs no confirmation
		word := cmp.Or(resolvable(verb), "dead")
		if err := p.Ask(c.Bool("yes"), "%s %s?", verbTitle(verb), console.Plural(int64(len(preview.Effects)), word+" request", word+" requests")); err != nil {
			return err
		}
	}
	req.DryRun, req.Upto = false, preview.Upto // later ones were not confirmed
	result, err := client.ResolveEffects(p.ctx, verb, req)
	if err != nil {
		return err
	}
	return p.printResolvedEffects(verb, &result)
}

// effectSelection returns the request for a dry run, with the selection of the flags and arguments.
func (p *program) effectSelection(c *cli.Context, verb string) (req api.ResolveEffects, err error) {
	f, words, err := p.selection(c)
	if err != nil {
		return req, err
	}
	f.Plugin = c.String("plugin")
	req = api.ResolveEffects{Filter: f, Origin: c.String("origin"), All: c.Bool("all"), Reason: c.String("reason"), DryRun: true}
	for _, word := range words {
		id, err := effectNumber(word)
		if err != nil {
			return req, err
		}
		req.Effects = append(req.Effects, id)
	}
	if c.NArg() == 0 && !f.Narrow() && req.Origin == "" && !req.All {
		return req, usage("no %s requests are selected", cmp.Or(resolvable(verb), "dead")).WithHint("name their numbers, give a filter such as --plugin NAME, or --all")
	}
	return req, nil
}

// reportNoEffect reports that no selected request is in a state that a verb is for. It returns an error only if requests were named.
func (p *program) reportNoEffect(verb string, named bool) error {
	word := cmp.Or(resolvable(verb), "dead")
	if !named {
		p.Say("no %s request matches", word)
		return p.effectRows().End()
	}
	hint := "`inbox dead list --kind effect` shows the dead ones"
	if word != "dead" {
		hint = "`inbox effect list` shows their states"
	}
	return inbox.Errorf(inbox.NotFound, "", "none of these requests is %s", word).WithHint(hint)
}

func (p *program) printResolvedEffects(verb string, result *api.ResolvedEffects) error {
	out := p.effectRows()
	for _, e := range result.Effects {
		if err := out.Add(e); err != nil {
			return err
		}
	}
	for _, f := range result.Failed {
		if err := out.Fail(f, "request %s: %s", f.ID, f.Error); err != nil {
			return err
		}
	}
	if err := out.End(); err != nil {
		return err
	}
	p.Say("%s %s", console.Plural(int64(len(result.Effects)), "request was", "requests were"), pastTense(verb))
	if len(result.Failed) == 0 {
		return nil
	}
	return console.Incomplete("%s could not be %s", console.Plural(int64(len(result.Failed)), "request", "requests"), pastTense(verb))
}

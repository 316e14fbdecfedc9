package cli

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/cli/console"
	"inbox/inbox/config"
)

func (p *program) secretCommand() *cli.Command {
	source := &cli.StringFlag{Name: "source", Usage: "only source `NAME`"}
	return p.parent("secret", []string{"secrets"}, "explain why signatures do not pass, and admit refused requests",
		p.leaf(spec{
			name: "check", usage: "check that sources have secrets, and explain refused requests or one signature", remote: true, formats: listFormats(),
			about: "Without --signature it explains the newest requests of the quarantine, with the secrets of the running server\n" +
				"and with the secrets in this shell. With --signature it verifies the signature of a body with this shell's secrets.\n" +
				"It never prints the right signature.",
			flags: []cli.Flag{
				source, &cli.StringFlag{Name: "signature", Usage: "`HEX` from the signature's header"},
				&cli.StringFlag{Name: "body-file", Usage: "`FILE` with the received body; - is standard input"},
				&cli.IntFlag{Name: "last", Value: 20, Usage: "explain the newest `N` refused requests"},
			},
			run: p.secretCheck,
		}),
		p.leaf(spec{
			name: "recheck", usage: "verify the quarantine with the current secrets, and admit requests that pass, in their order", remote: true, formats: showFormats(),
			flags: []cli.Flag{source, dryRunFlag(), yesFlag(), reasonFlag()}, run: p.secretRecheck,
		}),
		p.leaf(discardSpec(p, source)),
		plannedCommands(map[string]string{"rotate": "add the new secret beside the old one in inbox.toml, and remove the old one once `inbox_secret_matches_total` stops growing"})[0],
	)
}

// checkSignature verifies one signature. It needs no store.
func (p *program) checkSignature(c *cli.Context) error {
	if !c.IsSet("signature") || !c.IsSet("body-file") {
		return usage("--signature and --body-file must be used together")
	}
	s, err := p.settings(c)
	if err != nil {
		return err
	}
	src, err := chooseSource(s, c.String("source"))
	if err != nil {
		return err
	}
	body, err := p.readInput(c.String("body-file"))
	if err != nil {
		return err
	}
	if len(src.Secrets.Secrets()) == 0 {
		only := *s
		only.Sources = []config.Source{*src}
		if err := only.CheckSecrets(); err != nil {
			return &console.ExitError{Code: console.ExitIncomplete, Err: err}
		}
	}
	why := src.Intake().Explain(body, c.String("signature"))
	if p.Format == "json" {
		err = p.Document(map[string]any{"source": src.Name, "passes": why == "", "explained": why})
	} else if why == "" {
		err = p.Print("the signature passes in source %s\n", src.Name)
	} else {
		err = p.Print("%s\n", why)
	}
	if err == nil && why != "" {
		return console.Incomplete("the signature does not pass in source %s", src.Name)
	}
	return err
}

// chooseSource returns the source with a name, or the first source for an empty name.
func chooseSource(s *config.Settings, name string) (*config.Source, error) {
	if name == "" {
		return &s.Sources[0], nil
	}
	if src := s.Source(name); src != nil {
		return src, nil
	}
	var names []string
	for _, src := range s.Sources {
		names = append(names, src.Name)
	}
	return nil, inbox.Errorf(inbox.NotFound, "", "there is no source %q", name).WithHint("the sources are: " + strings.Join(names, ", "))
}

// readInput reads a file, or standard input for "-".
func (p *program) readInput(path string) ([]byte, error) {
	var body []byte
	var err error
	if path == "-" {
		body, err = io.ReadAll(p.In)
	} else {
		body, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, inbox.Errorf(inbox.Invalid, "read the body", "%w", err)
	}
	return body, nil
}

func (p *program) secretRecheck(c *cli.Context) error {
	client, err := p.client(c)
	if err != nil {
		return err
	}
	req := api.RecheckRequest{Source: c.String("source"), Reason: c.String("reason"), DryRun: true}
	preview, err := client.Recheck(p.ctx, req)
	if err != nil {
		return err
	}
	if c.Bool("dry-run") {
		return p.printRechecked(&preview)
	}
	if preview.Admitted == 0 {
		p.reportNonePasses(&preview)
		preview.DryRun = false
		return p.printRechecked(&preview)
	}
	if err := p.Ask(c.Bool("yes"), "Admit %s that pass now? They are delivered to plugins.", console.Plural(preview.Admitted, "request", "requests")); err != nil {
		return err
	}
	req.DryRun = false
	result, err := client.Recheck(p.ctx, req)
	if err != nil {
		return err
	}
	return p.printRechecked(&result)
}

// reportNonePasses reports why a recheck admits no request.
func (p *program) reportNonePasses(r *api.Rechecked) {
	if r.Checked == 0 {
		p.Say("the quarantine is empty")
		return
	}
	p.Say("no request in the quarantine passes with the server's secrets; `inbox secret check` explains why")
}

func (p *program) printRechecked(r *api.Rechecked) error {
	var err error
	if p.Format == "json" {
		err = p.Document(r)
	} else {
		admitted := "admitted"
		if r.DryRun {
			admitted = "would be admitted"
		}
		pairs := []string{"checked", fmt.Sprint(r.Checked), admitted, fmt.Sprint(r.Admitted), "stored already", fmt.Sprint(r.Duplicates)}
		for _, why := range slices.Sorted(maps.Keys(r.Kept)) {
			pairs = append(pairs, "kept: "+why, fmt.Sprint(r.Kept[why]))
		}
		err = p.Pairs(pairs...)
	}
	if err != nil || len(r.Failed) == 0 {
		return err
	}
	for _, f := range r.Failed {
		p.Say("request %s: %s", f.ID, f.Error)
	}
	return console.Incomplete("%s could not be admitted", console.Plural(len(r.Failed), "request", "requests"))
}

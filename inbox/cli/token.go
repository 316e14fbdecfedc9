package cli

import (
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/cli/console"
)

func (p *program) tokenCommand() *cli.Command {
	return p.parent("token", []string{"tokens"}, "make, list and revoke tokens of the operator's API",
		p.leaf(spec{
			name: "new", aliases: []string{"create"}, usage: "make a token and write it to standard output, once", remote: true, formats: showFormats(),
			about: "The scopes are read (every view, masked), state (the state documents of all plugins, in full), state:PLUGIN (those of one plugin)\n" +
				"and admin (everything). The store keeps a hash of the token: nothing shows the token again.",
			flags: []cli.Flag{
				&cli.StringFlag{Name: "name", Usage: "`NAME` of the token, which the audit log shows: lower-case letters, digits, - and _"},
				&cli.StringSliceFlag{Name: "scope", DefaultText: "read", Usage: "`SCOPE`: read, state, state:PLUGIN or admin; may be repeated"},
				&cli.StringFlag{Name: "expires", DefaultText: "never", Usage: "the token ends after this `TIME`, as in 12h or 90d"},
				reasonFlag(),
			},
			run: p.tokenNew,
		}),
		p.leaf(spec{
			name: "list", aliases: []string{"ls"}, usage: "list tokens, with their scopes and the hour of their newest use", remote: true, formats: listFormats(), run: p.tokenList,
		}),
		p.leaf(spec{
			name: "revoke", aliases: []string{"remove", "rm"}, usage: "end a token at once", args: "TOKEN", min: 1, max: 1, remote: true, formats: showFormats(),
			about: "TOKEN is the name of a token. Requests that run go on; every later request is refused.",
			flags: []cli.Flag{reasonFlag()}, run: p.tokenRevoke,
		}))
}

func (p *program) tokenNew(c *cli.Context) error {
	req := api.TokenRequest{Name: c.String("name"), Reason: c.String("reason")}
	if req.Name == "" {
		return usage("a token needs --name").WithHint("as in inbox token new --name checkout --scope state:kyc")
	}
	for _, text := range listValues(c, "scope") {
		scope, err := inbox.ParseScope(text)
		if err != nil {
			return err
		}
		req.Scopes = append(req.Scopes, scope)
	}
	if len(req.Scopes) == 0 {
		req.Scopes = []inbox.Scope{inbox.ScopeRead}
	}
	if text := c.String("expires"); text != "" {
		after, err := console.Span(text)
		if err != nil {
			return usage("--expires: %w", err)
		}
		req.ExpiresAt = p.Now().Add(after)
	}
	client, err := p.client(c)
	if err != nil {
		return err
	}
	t, err := client.NewToken(p.ctx, req)
	if err != nil {
		return err
	}
	if p.Format == "json" {
		return p.Document(t)
	}
	p.Say("token %s: %s, expires %s. It is not shown again", t.Name, scopeText(t.Scopes), p.endText(t.ExpiresAt))
	return p.Print("%s\n", t.Token)
}

func (p *program) tokenList(c *cli.Context) error {
	client, err := p.client(c)
	if err != nil {
		return err
	}
	tokens, err := client.Tokens(p.ctx)
	if err != nil {
		return err
	}
	return console.NewList(&p.Console, func(t api.Token) string { return t.Name },
		console.Col("NAME", func(t api.Token) string { return t.Name }),
		console.Col("SCOPES", func(t api.Token) string { return scopeText(t.Scopes) }),
		console.Col("CREATED", func(t api.Token) string { return p.Stamp(t.CreatedAt) }),
		console.Col("EXPIRES", func(t api.Token) string {
			if t.Expired {
				return "expired"
			}
			return p.endText(t.ExpiresAt)
		}),
		console.Col("LAST USED", func(t api.Token) string {
			if t.UsedAt.IsZero() {
				return "-"
			}
			return p.Stamp(t.UsedAt)
		}),
	).All(tokens)
}

func (p *program) tokenRevoke(c *cli.Context) error {
	client, err := p.client(c)
	if err != nil {
		return err
	}
	out, err := client.RevokeToken(p.ctx, c.Args().First(), c.String("reason"))
	if err != nil {
		return err
	}
	if p.Format == "json" {
		return p.Document(out)
	}
	return p.Print("token %s is revoked\n", out.Name)
}

func scopeText(scopes []inbox.Scope) string {
	var words []string
	for _, s := range scopes {
		words = append(words, string(s))
	}
	return strings.Join(words, ", ")
}

// endText returns the end of a token.
func (p *program) endText(at time.Time) string {
	if at.IsZero() {
		return "never"
	}
	return p.Stamp(at)
}

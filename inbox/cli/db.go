package cli

import (
	"errors"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/cli/console"
)

func (p *program) dbCommand() *cli.Command {
	commands := []*cli.Command{
		p.leaf(spec{name: "check", usage: "look for damage in the store", remote: true, formats: showFormats(), run: p.dbCheck}),
		p.leaf(spec{
			name: "backup", usage: "copy the store to a new file, also while a server runs", args: "FILE", min: 1, max: 1, remote: true, formats: showFormats(),
			about: "The store's key is copied to FILE.key: without it the copy cannot recognise duplicates. With --url the file is\n" +
				"created on the machine of the server.",
			flags: []cli.Flag{reasonFlag()}, run: p.dbBackup,
		}),
	}
	return p.parent("db", nil, "check and back up the store", append(commands, plannedCommands(map[string]string{
		"restore": "stop the server, put the copy into an empty data directory as inbox.db and its key as store.key, with mode 0600, and start",
		"prune":   "this version does not delete events by age",
	})...)...)
}

func (p *program) dbCheck(c *cli.Context) error {
	hint := "keep the file, and restore the latest backup in which `inbox db check` finds no problem"
	check, err := p.checkStore(c)
	if errors.Is(err, inbox.ErrDamaged) { // it cannot be opened
		check, hint = api.Check{Problems: []string{err.Error()}}, inbox.HintOf(err)
	} else if err != nil {
		return err
	}
	if p.Format == "json" {
		err = p.Document(check)
	} else {
		for _, problem := range check.Problems {
			if err = p.Print("%s\n", console.OneLine(problem)); err != nil {
				return err
			}
		}
	}
	if n := len(check.Problems); err == nil && n > 0 {
		return &console.ExitError{Code: console.ExitIncomplete, Err: inbox.Errorf(inbox.Internal, "", "%s", console.Plural(n, "problem was found", "problems were found")).
			WithHint(hint)}
	}
	if err == nil {
		p.Say("the store has no problem")
	}
	return err
}

func (p *program) checkStore(c *cli.Context) (api.Check, error) {
	client, err := p.client(c)
	if err != nil {
		return api.Check{}, err
	}
	return client.CheckStore(p.ctx)
}

func (p *program) dbBackup(c *cli.Context) error {
	path := c.Args().First()
	if p.flagOrEnv(c, "url", "INBOX_URL") == "" {
		full, err := filepath.Abs(path)
		if err != nil {
			return inbox.Errorf(inbox.Invalid, "", "%w", err)
		}
		path = full
	}
	client, err := p.client(c)
	if err != nil {
		return err
	}
	b, err := client.Backup(p.ctx, api.BackupRequest{Path: path, Reason: c.String("reason")})
	if err != nil {
		return err
	}
	if p.Format == "json" {
		return p.Document(b)
	}
	p.Say("the copy contains no modules: copy the plugins folder too")
	return p.Print("%s\n%s.key\n", b.Path, b.Path)
}

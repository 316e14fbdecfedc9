package cli

import (
	"github.com/urfave/cli/v2"

	"inbox/inbox/config"
)

func (p *program) configCommand() *cli.Command {
	return p.parent("config", nil, "check and show the settings",
		p.leaf(spec{name: "check", usage: "read the settings and list every mistake", formats: showFormats(), run: p.configCheck}),
		p.leaf(spec{name: "print", usage: "print the settings in force with their origins, without secrets", formats: showFormats(), run: p.configPrint}),
		p.leaf(spec{name: "example", usage: "print an inbox.toml with every setting and its default", run: func(*cli.Context) error {
			return p.Print("%s", config.Example)
		}}))
}

func (p *program) configCheck(c *cli.Context) error {
	s, err := p.settings(c)
	if err != nil {
		return err
	}
	from := s.File
	if from == "" {
		from = "no file; environment and defaults"
	}
	for _, n := range s.Notes {
		p.Say("%s", n)
	}
	if err := s.CheckSecrets(); err != nil {
		return err
	}
	if p.Format == "json" {
		return p.Document(map[string]any{"right": true, "file": s.File, "notes": append([]string{}, s.Notes...)})
	}
	return p.Print("the settings are valid (%s)\n", from)
}

func (p *program) configPrint(c *cli.Context) error {
	s, err := p.settings(c)
	if err != nil {
		return err
	}
	if p.Format != "json" {
		return p.Print("%s", s.TOML())
	}
	type secret struct {
		Name string `json:"name"`
		From string `json:"from"`
		Set  bool   `json:"set"`
	}
	type source struct {
		Name    string   `json:"name"`
		Path    string   `json:"path"`
		Mode    string   `json:"mode"`
		Secrets []secret `json:"secrets"`
	}
	sources := []source{}
	for i := range s.Sources {
		src := source{Name: s.Sources[i].Name, Path: s.Sources[i].Path, Mode: string(s.Sources[i].Mode), Secrets: []secret{}}
		for _, place := range s.Sources[i].Secrets.Places() {
			src.Secrets = append(src.Secrets, secret{place.Name, place.From, place.Err == nil})
		}
		sources = append(sources, src)
	}
	return p.Document(struct {
		File     string         `json:"file"`
		Settings []config.Value `json:"settings"`
		Sources  []source       `json:"sources"`
		Notes    []string       `json:"notes"`
	}{s.File, s.Values(), sources, append([]string{}, s.Notes...)})
}

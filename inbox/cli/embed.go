package cli

import (
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
	"inbox/inbox/datadir"
	"inbox/inbox/host"
	"inbox/inbox/release"
	"inbox/sdk/abi"
)

func (p *program) embedCommand() *cli.Command {
	return p.leaf(spec{
		name: "embed", usage: "write what a plugin asks for into its .wasm file", args: "FILE.wasm", min: 1, max: 1, flags: []cli.Flag{
			&cli.StringFlag{Name: "asks", Required: true, Usage: "`FILE` of the same form as NAME.toml"},
		},
		about: "For authors: it becomes the module's custom section " + abi.ManifestSection + ", in place of one that it has.\n" +
			"Whoever runs the plugin decides by NAME.toml what of it is granted: 'inbox plugin inspect' shows both.",
		run: p.embed,
	})
}

// embed writes the module anew with the section, whole or not at all.
func (p *program) embed(c *cli.Context) error {
	path, asks := c.Args().First(), c.String("asks")
	text, err := release.ReadManifest(asks)
	if err != nil {
		return err
	}
	wasm, err := release.ReadModule(path)
	if err != nil {
		return err
	}
	out, err := host.WithCustom(wasm, abi.ManifestSection, text)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := replaceFile(path, out); err != nil {
		return inbox.Errorf(inbox.Unavailable, "write the plugin", "%w", err)
	}
	p.say("%s asks for what is in %s", path, asks)
	return nil
}

// replaceFile writes a file anew, whole or not at all, with the mode that it has.
func replaceFile(path string, b []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return datadir.WriteFile(path, b, info.Mode().Perm())
}

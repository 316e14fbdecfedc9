package cli

import (
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
	"inbox/inbox/datadir"
	"inbox/inbox/release"
	"inbox/inbox/wasm"
	"inbox/sdk/abi"
)

func (p *program) embedCommand() *cli.Command {
	return p.leaf(spec{
		name: "embed", usage: "write the manifest that a plugin asks for into its .wasm file", args: "FILE.wasm", min: 1, max: 1, flags: []cli.Flag{
			&cli.StringFlag{Name: "asks", Required: true, Usage: "`FILE` of the same form as NAME.toml"},
		},
		about: "For authors: the file becomes the module's custom section " + abi.ManifestSection + ", and replaces an earlier one.\n" +
			"The operator decides by NAME.toml what is granted: 'inbox plugin inspect' shows both.",
		run: p.embed,
	})
}

// embed replaces the file by the module with the section, atomically.
func (p *program) embed(c *cli.Context) error {
	path, asks := c.Args().First(), c.String("asks")
	text, err := release.ReadManifest(asks)
	if err != nil {
		return err
	}
	file, err := release.ReadModule(path)
	if err != nil {
		return err
	}
	out, err := wasm.WithCustom(file, abi.ManifestSection, text)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := replaceFile(path, out); err != nil {
		return inbox.Errorf(inbox.Unavailable, "write the plugin", "%w", err)
	}
	p.Say("%s asks for what is in %s", path, asks)
	return nil
}

// replaceFile writes a file again, whole or not at all, with the mode that it has.
func replaceFile(path string, b []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return datadir.WriteFile(path, b, info.Mode().Perm())
}

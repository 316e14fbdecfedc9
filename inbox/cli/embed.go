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
		name: "embed", usage: "write the requested manifest of a plugin into its .wasm file", args: "FILE.wasm", min: 1, max: 1, flags: []cli.Flag{
			&cli.StringFlag{Name: "asks", Required: true, Usage: "`FILE` with the manifest, in the form of NAME.toml"},
		},
		about: "For authors: the file becomes the module's custom section " + abi.ManifestSection + ", and replaces an earlier one.\n" +
			"The operator's NAME.toml grants the permissions: 'inbox plugin inspect' shows requests and grants.",
		run: p.embed,
	})
}

// embed atomically replaces the file of a module by the same module with the section.
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
	p.Say("%s contains the manifest of %s", path, asks)
	return nil
}

// replaceFile atomically replaces a file and keeps its mode.
func replaceFile(path string, b []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return datadir.WriteFile(path, b, info.Mode().Perm())
}

package cli

import (
	"maps"
	"slices"
	"strings"

	"inbox/inbox/api"
	"inbox/inbox/cli/console"
)

// printPermissionsInForce writes the permissions and the manifest in force for a plugin. If the permissions of its file differ, it
// writes them too.
func (p *program) printPermissionsInForce(d *api.PluginDetail) error {
	heading := "asked for and granted"
	if d.Release == "" {
		heading += " by its file, which is not in force"
	} else if len(d.FilePermissions) > 0 || d.File != d.Release {
		heading += " in release " + d.Release
	}
	if err := p.printPermissions(heading, d.Permissions); err != nil {
		return err
	}
	if d.Manifest != "" {
		if err := p.Print("\nmanifest\n%s", console.Lines(d.Manifest, "  ")); err != nil {
			return err
		}
	}
	if len(d.FilePermissions) == 0 {
		return nil
	}
	return p.printPermissions("asked for and granted by its file as it is now, which is not in force", d.FilePermissions)
}

// importsText returns the imports of a module without duplicates, grouped by imported module.
func importsText(imports []string) string {
	names := map[string][]string{}
	for _, path := range imports {
		module, name := "", path
		if i := strings.IndexByte(path, '.'); i >= 0 {
			module, name = path[:i], path[i+1:]
		}
		names[module] = append(names[module], name)
	}
	var list []string
	for _, module := range slices.Sorted(maps.Keys(names)) {
		sorted := names[module]
		slices.Sort(sorted)
		list = append(list, strings.TrimSpace(module+": ")+" "+strings.Join(slices.Compact(sorted), " "))
	}
	return strings.Join(list, "; ")
}

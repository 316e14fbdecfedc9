package release

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"inbox/inbox"
	"inbox/inbox/datadir"
)

// listing is what lies in a plugins folder.
type listing struct {
	stamps map[string]string // by the name of each module: what changes when its files do
	strays map[string]stray  // by the name of the file
	blocks map[string]string // by the name of a module: the file that seems to be its manifest under another spelling
	near   map[string]string // by the name of a module: a manifest without a module whose name is most like it
}

// stray is a file that looks like a manifest or a module and is neither.
type stray struct {
	why, hint string
	blocks    string // plugin whose manifest it seems to be, and that has no other
	near      string // plugin whose name is most like that of a manifest without a module
}

// maxStrays bounds how many files that belong to no plugin are named.
const maxStrays = 50

// listOf reads a folder. What begins with a dot is being written, and left alone.
func listOf(dir string) (*listing, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	l := &listing{stamps: map[string]string{}, strays: map[string]stray{}, blocks: map[string]string{}, near: map[string]string{}}
	var rest []string
	for _, f := range entries {
		switch name, isModule := strings.CutSuffix(f.Name(), ".wasm"); {
		case strings.HasPrefix(f.Name(), "."):
		case isModule:
			l.stamps[name] = ""
		default:
			rest = append(rest, f.Name())
		}
	}
	more := 0
	for _, file := range rest {
		one, is := l.strayOf(dir, file)
		if !is {
			continue
		}
		if one.blocks != "" {
			l.blocks[one.blocks] = file
		}
		if one.near != "" {
			l.near[one.near] = file
		}
		if len(l.strays) == maxStrays {
			more++
			continue
		}
		l.strays[file] = one
	}
	if more > 0 {
		l.strays["…"] = stray{why: fmt.Sprintf("%d more files belong to no plugin", more), hint: "remove what is no plugin's"}
	}
	for name := range l.stamps {
		l.stamps[name] = stampOfPlugin(dir, name) + "|" + l.blocks[name] + "|" + l.near[name]
	}
	return l, nil
}

func stampOfPlugin(dir, name string) string {
	return datadir.Stamp(filepath.Join(dir, name+".wasm")) + "|" + datadir.Stamp(filepath.Join(dir, name+".toml"))
}

// strayOf says whether a file that is no module is nothing that a plugin uses, though somebody seems to have meant it to be.
func (l *listing) strayOf(dir, file string) (stray, bool) {
	// What editors, mailers and other systems make of a name.
	name := strings.TrimSpace(strings.ToLower(file))
	name = strings.TrimRight(strings.TrimSuffix(name, ".txt"), ". ")
	if base, is := strings.CutSuffix(name, ".wasm"); is {
		return stray{
			why:  fmt.Sprintf("%q is not taken for a module: its name must end in .wasm, in small letters", shown(file)),
			hint: "rename it to " + shown(strings.TrimSpace(base)) + ".wasm",
		}, true
	}
	base, is := strings.CutSuffix(name, ".toml")
	if !is {
		return stray{}, false
	}
	base = strings.TrimSpace(strings.TrimSuffix(base, ".wasm"))
	if plain, exact := strings.CutSuffix(file, ".toml"); exact {
		if _, used := l.stamps[plain]; used {
			return stray{}, false
		}
	}
	if _, known := l.stamps[base]; known {
		return l.misspelt(dir, file, base)
	}
	return l.orphan(file, base), true
}

// misspelt is a file that would be a plugin's manifest if it were named like one.
func (l *listing) misspelt(dir, file, plugin string) (stray, bool) {
	proper := plugin + ".toml"
	one := stray{
		why:  fmt.Sprintf("%q is not read: the manifest of plugin %s is %s", shown(file), plugin, proper),
		hint: "rename it to " + proper + ", or remove it", blocks: plugin,
	}
	used, err := os.Stat(filepath.Join(dir, proper))
	if err == nil {
		this, err := os.Stat(filepath.Join(dir, file))
		if err == nil && os.SameFile(used, this) { // the file system does not tell the two names apart
			return stray{}, false
		}
		one.blocks = ""
	}
	return one, true
}

// orphan is a manifest without a module.
func (l *listing) orphan(file, base string) stray {
	one := stray{
		why:  fmt.Sprintf("%q is a manifest without a module: nothing that it says is in force", shown(file)),
		hint: "remove it, or put " + shown(base) + ".wasm beside it",
	}
	if one.near = l.nearest(base); one.near != "" {
		one.hint = "did you mean " + shown(one.near) + ".toml? Rename it; or remove it"
	}
	return one
}

// nearest returns the module whose name is most like another name.
func (l *listing) nearest(base string) string {
	names := slices.Sorted(maps.Keys(l.stamps))
	for _, name := range names {
		if strings.EqualFold(strings.TrimSpace(name), base) {
			return name
		}
	}
	return inbox.Nearest(base, names)
}

// maxShown bounds how much of a file's name is shown, in runes: no name of a plugin is longer.
const maxShown = 80

// shown is the name of a file as it is shown in tables and logs. Whoever made it may have written anything.
func shown(name string) string {
	runes := []rune(inbox.Printable(name))
	if len(runes) > maxShown {
		return string(runes[:maxShown-1]) + "…"
	}
	return string(runes)
}

// Guard reports why a plugins folder must not be used: somebody else could change what lies in it, and so what plugins are
// shown. The error is Invalid. mend takes others' right to write away where the folder is ours, and says so.
func Guard(dir string, mend bool) (mended string, err error) {
	return guard(dir, dir, "the plugins folder "+dir, mend)
}

// trusted is who may own what lies in a folder beside us and root. Whoever only looks on as root looks with the eyes of the
// folder's owner, who is the user of the server.
func trusted(dir string, mend bool) int {
	if mend || os.Geteuid() != 0 {
		return -1
	}
	return datadir.Owner(dir)
}

// guard is Guard for a file or folder that is called what.
func guard(dir, path, what string, mend bool) (mended string, err error) {
	why, ours, err := datadir.Unsafe(path, trusted(dir, mend))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil // whoever reads it says so
	case err != nil:
		return "", inbox.Errorf(inbox.Unavailable, "", "%w", err)
	case why == "":
		return "", nil
	case ours && mend && datadir.Protect(path) == nil:
		return what + " " + strings.Replace(why, "can", "could", 1) + ", which was taken back", nil
	case ours:
		return "", inbox.Errorf(inbox.Invalid, "", "%s %s: they could change what plugins are shown", what, why).WithHint("chmod go-w " + path)
	}
	return "", inbox.Errorf(inbox.Invalid, "", "%s %s, who could change what plugins are shown", what, why).
		WithHint(fmt.Sprintf("chown %d %s", os.Geteuid(), path))
}

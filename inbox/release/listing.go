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

// listing is the content of a plugins folder.
type listing struct {
	stamps  map[string]string // by module name: changes when the module or its manifest does
	strays  map[string]stray  // by file name
	blocks  map[string]string // by module name: the file that seems to be its manifest under another spelling
	similar map[string]string // by module name: a manifest without a module that has a similar name
}

// stray is a file that looks like a manifest or a module and is neither.
type stray struct {
	why, hint string
	blocks    string // plugin whose misspelt manifest it seems to be, if the plugin has no other manifest
	similar   string // plugin with the name most similar to that of this manifest without a module
}

// maxStrays bounds the number of listed files that belong to no plugin.
const maxStrays = 50

// listFolder reads a folder. It skips files whose names begin with a dot: they are still being written.
func listFolder(dir string) (*listing, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	l := &listing{stamps: map[string]string{}, strays: map[string]stray{}, blocks: map[string]string{}, similar: map[string]string{}}
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
		s, isStray := l.strayOf(dir, file)
		if !isStray {
			continue
		}
		if s.blocks != "" {
			l.blocks[s.blocks] = file
		}
		if s.similar != "" {
			l.similar[s.similar] = file
		}
		if len(l.strays) == maxStrays {
			more++
			continue
		}
		l.strays[file] = s
	}
	if more > 0 {
		l.strays["…"] = stray{why: fmt.Sprintf("%d more files belong to no plugin", more), hint: "remove the files that belong to no plugin"}
	}
	for name := range l.stamps {
		l.stamps[name] = stampOfPlugin(dir, name) + "|" + l.blocks[name] + "|" + l.similar[name]
	}
	return l, nil
}

func stampOfPlugin(dir, name string) string {
	return datadir.Stamp(filepath.Join(dir, name+".wasm")) + "|" + datadir.Stamp(filepath.Join(dir, name+".toml"))
}

// strayOf returns the stray of a file that no plugin uses, although it looks like a manifest or a module. It reports false for
// other files.
func (l *listing) strayOf(dir, file string) (stray, bool) {
	// Editors, mail programs and other systems change names in these ways.
	name := strings.TrimSpace(strings.ToLower(file))
	name = strings.TrimRight(strings.TrimSuffix(name, ".txt"), ". ")
	if base, is := strings.CutSuffix(name, ".wasm"); is {
		return stray{
			why:  fmt.Sprintf("%q is not read as a module: its name must end in .wasm, in lower-case letters", shown(file)),
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

// misspelt returns the stray of a file whose name is a misspelt manifest name of a plugin.
func (l *listing) misspelt(dir, file, plugin string) (stray, bool) {
	proper := plugin + ".toml"
	s := stray{
		why:  fmt.Sprintf("%q is not read: the manifest of plugin %s is %s", shown(file), plugin, proper),
		hint: "rename it to " + proper + ", or remove it", blocks: plugin,
	}
	used, err := os.Stat(filepath.Join(dir, proper))
	if err == nil {
		this, err := os.Stat(filepath.Join(dir, file))
		if err == nil && os.SameFile(used, this) { // the file system ignores case, so both names are one file
			return stray{}, false
		}
		s.blocks = ""
	}
	return s, true
}

// orphan returns the stray of a manifest without a module.
func (l *listing) orphan(file, base string) stray {
	s := stray{
		why:  fmt.Sprintf("%q is a manifest without a module: it has no effect", shown(file)),
		hint: "remove it, or put " + shown(base) + ".wasm beside it",
	}
	if s.similar = l.nearest(base); s.similar != "" {
		s.hint = "did you mean " + shown(s.similar) + ".toml? Rename it; or remove it"
	}
	return s
}

// nearest returns the module name that is most similar to another name.
func (l *listing) nearest(base string) string {
	names := slices.Sorted(maps.Keys(l.stamps))
	for _, name := range names {
		if strings.EqualFold(strings.TrimSpace(name), base) {
			return name
		}
	}
	return inbox.Nearest(base, names)
}

// maxShown bounds a displayed file name, in runes. Names of plugins are shorter.
const maxShown = 80

// shown returns the name of a file for tables and logs, without control characters: a file name may contain anything.
func shown(name string) string {
	runes := []rune(inbox.Printable(name))
	if len(runes) > maxShown {
		return string(runes[:maxShown-1]) + "…"
	}
	return string(runes)
}

// Guard checks the permissions of a plugins folder. The error is Invalid when another user could change its files, and so the
// data that plugins see. With fix it removes the write permission of other users from a folder that this user owns, and returns
// a text that says so.
func Guard(dir string, fix bool) (fixed string, err error) {
	return guard(dir, dir, "the plugins folder "+dir, fix)
}

// trustedUID returns the user who may own the files of a folder, besides this user and root; -1 for none. A check without fix
// that runs as root also trusts the folder's owner, who is the user of the server.
func trustedUID(dir string, fix bool) int {
	if fix || os.Geteuid() != 0 {
		return -1
	}
	return datadir.Owner(dir)
}

// guard is Guard for one file or folder, which messages call what.
func guard(dir, path, what string, fix bool) (fixed string, err error) {
	why, ours, err := datadir.Unsafe(path, trustedUID(dir, fix))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil // the read of the file returns the error
	case err != nil:
		return "", inbox.Errorf(inbox.Unavailable, "", "%w", err)
	case why == "":
		return "", nil
	case ours && fix && datadir.Protect(path) == nil:
		return what + " " + strings.Replace(why, "can", "could", 1) + "; that permission was removed", nil
	case ours:
		return "", inbox.Errorf(inbox.Invalid, "", "%s %s: they could change the data that plugins see", what, why).WithHint("chmod go-w " + path)
	}
	return "", inbox.Errorf(inbox.Invalid, "", "%s %s, who could change the data that plugins see", what, why).
		WithHint(fmt.Sprintf("chown %d %s", os.Geteuid(), path))
}

package datadir_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"inbox/inbox/datadir"
)

// TestNamesInTheDataDirectoryAreWrittenOnce reads the program's sources without their tests. A name that is not an ordinary word
// may be a literal only in names.go. The other names may be literals, but not as part of a path.
func TestNamesInTheDataDirectoryAreWrittenOnce(t *testing.T) {
	t.Parallel()
	special := []string{datadir.Database, datadir.WAL, datadir.NewDatabase, datadir.StoreKey, datadir.LockFile, datadir.HolderFile, datadir.Socket, datadir.Token}
	words := []string{datadir.Plugins, datadir.Releases, datadir.Cache}
	found := map[string][]string{}
	sources(t, "../..", func(path string, file *ast.File, at func(ast.Node) string) {
		ast.Inspect(file, func(n ast.Node) bool {
			if text, ok := literal(n); ok && slices.Contains(special, text) {
				found[text] = append(found[text], at(n))
			}
			call, ok := n.(*ast.CallExpr)
			if !ok || !joinsPaths(call) {
				return true
			}
			for _, arg := range call.Args {
				if text, ok := literal(arg); ok && slices.Contains(words, strings.Trim(text, "/")) {
					t.Errorf("%s: %q is a name in the data directory: use that of package datadir", at(arg), text)
				}
			}
			return true
		})
	})
	if len(found) == 0 {
		t.Fatal("no source was read")
	}
	for name, places := range found {
		if len(places) > 1 || !strings.Contains(places[0], "names.go") {
			t.Errorf("%q is written in %s: use the name of package datadir", name, strings.Join(places, ", "))
		}
	}
}

// sources calls visit for every Go file below a directory, except tests.
func sources(t *testing.T, root string, visit func(path string, file *ast.File, at func(ast.Node) string)) {
	t.Helper()
	files := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git" || d.Name() == "node_modules"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		visit(path, file, func(n ast.Node) string { return files.Position(n.Pos()).String() })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func literal(n ast.Node) (string, bool) {
	lit, ok := n.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// joinsPaths reports whether a call is one of filepath.Join or path.Join.
func joinsPaths(call *ast.CallExpr) bool {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != "Join" {
		return false
	}
	from, ok := sel.X.(*ast.Ident)
	return ok && (from.Name == "filepath" || from.Name == "path")
}

package inbox_test

import (
	"bufio"
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// discouraged lists patterns of sentences that docs/CONTRIBUTING.md tells to avoid.
var discouraged = []string{
	`so many`, `to who\b`, `for who\b`, `is none\b`, `comes to`, `came to`, `is led`, `which is what`, `has .{1,40} done\b`, `what is not there`,
}

// passage is a piece of English in the tree: a comment, a literal, the name of a test, or a line of a document.
type passage struct{ at, text string }

func TestCommentsDocsAndMessagesHaveNoDiscouragedPatterns(t *testing.T) {
	t.Parallel()
	all := append(passagesOfCode(t, ".."), passagesOfDocs(t, "..")...)
	for _, pattern := range discouraged {
		words := regexp.MustCompile(`(?i)` + pattern)
		for _, p := range all {
			if m := words.FindString(p.text); m != "" {
				t.Errorf("%s: %q: write it as docs/CONTRIBUTING.md says", p.at, m)
			}
		}
	}
}

// passagesOfCode returns the comments, the literals and the names of tests in all Go files below a directory. The lines of a
// comment are joined: a pattern may lie across two.
func passagesOfCode(t *testing.T, root string) (all []passage) {
	t.Helper()
	walkFiles(t, root, func(path string, text []byte) {
		if filepath.Ext(path) != ".go" || filepath.Base(path) == "english_test.go" { // which quotes the patterns
			return
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, text, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		add := func(pos token.Pos, text string) {
			all = append(all, passage{fmt.Sprint(files.Position(pos)), strings.Join(strings.Fields(text), " ")})
		}
		for _, group := range file.Comments {
			add(group.Pos(), group.Text())
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				if n.Kind == token.STRING {
					add(n.Pos(), n.Value)
				}
			case *ast.FuncDecl:
				if strings.HasSuffix(path, "_test.go") {
					add(n.Pos(), inWords(n.Name.Name))
				}
			}
			return true
		})
	})
	return all
}

// inWords writes a name such as TestNoneIsLost as words.
func inWords(name string) string {
	return strings.ToLower(regexp.MustCompile(`([a-z0-9])([A-Z])`).ReplaceAllString(name, "$1 $2"))
}

// passagesOfDocs returns the paragraphs of all Markdown files below a directory. Lines that tell how not to write quote the
// patterns, and are left out: those that begin with "Not:" or "3.", in the chapter "English" of docs/CONTRIBUTING.md.
func passagesOfDocs(t *testing.T, root string) (all []passage) {
	t.Helper()
	walkFiles(t, root, func(path string, text []byte) {
		if filepath.Ext(path) != ".md" {
			return
		}
		card, number, start := false, 0, 1
		var paragraph []string
		end := func() {
			text := strings.Join(strings.Fields(strings.Join(paragraph, " ")), " ")
			if quotes := card && (strings.Contains(text, "Not: ") || strings.HasPrefix(text, "1. ")); text != "" && !quotes {
				all = append(all, passage{fmt.Sprintf("%s:%d", path, start), text})
			}
			paragraph = paragraph[:0]
		}
		for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
			number++
			line := lines.Text()
			if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "|") {
				end()
			}
			if strings.HasPrefix(line, "#") {
				card = filepath.Base(path) == "CONTRIBUTING.md" && line == "## English"
			}
			if len(paragraph) == 0 {
				start = number
			}
			paragraph = append(paragraph, line)
		}
		end()
	})
	return all
}

// walkFiles calls fn with the files of the tree, but for what others wrote or what is made.
func walkFiles(t *testing.T, root string, fn func(path string, text []byte)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if name == ".git" || name == "node_modules" || name == "target" || name == "testdata" {
				return filepath.SkipDir
			}
			return nil
		}
		if ext := filepath.Ext(name); ext != ".go" && ext != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fn(path, text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

package dispatch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// parts lists the types of the package from high to low, as its doc does.
var parts = []string{
	"Dispatcher", "loop", "requests", "memory", "starter", "replays", "runs", "replay", "reader", "page", "lanes", "unloadedLanes",
	"parkedLane", "readyQueue", "timers", "timer", "lane", "item", "laneLog", "cursor", "window", "workers", "pool", "call", "result",
	"release", "link", "failureLog",
}

// carried lists the fields that point upwards. The doc of the package says why.
var carried = []string{"item.replay", "call.lane", "result.lane"}

func TestPartsPointToLowerParts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var up []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok {
				up = append(up, pointsUp(spec)...)
			}
			return true
		})
	}
	slices.Sort(up)
	if want := slices.Sorted(slices.Values(carried)); !slices.Equal(up, want) {
		t.Errorf("fields that point to a higher part: %v, want %v", up, want)
	}
}

// pointsUp returns the fields of a part whose type names a higher part.
func pointsUp(spec *ast.TypeSpec) (up []string) {
	level := slices.Index(parts, spec.Name.Name)
	st, ok := spec.Type.(*ast.StructType)
	if level < 0 || !ok {
		return nil
	}
	for _, field := range st.Fields.List {
		ast.Inspect(field.Type, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && slices.Index(parts[:level], id.Name) >= 0 {
				for _, name := range field.Names {
					up = append(up, spec.Name.Name+"."+name.Name)
				}
			}
			return true
		})
	}
	return up
}

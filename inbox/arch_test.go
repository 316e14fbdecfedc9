package inbox_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// allowed lists, for every package of the program, which of its own packages it may import. A package that is not listed must
// not exist. Packages on the line do not import each other, except that intake imports qoreid, and host imports wasm,
// document and egress. Only serve and cli know all of them. torture is not on the line: it starts the program from outside, and
// reaches into it through the hooks of serve.
var allowed = map[string][]string{
	"inbox":                    {"inbox/inbox/cli"},
	"inbox/inbox":              {"inbox/inbox/rawjson"},
	"inbox/inbox/rawjson":      {},
	"inbox/inbox/datadir":      {"inbox/inbox"},
	"inbox/inbox/qoreid":       {"inbox/inbox", "inbox/inbox/rawjson"},
	"inbox/inbox/intake":       {"inbox/inbox", "inbox/inbox/qoreid"},
	"inbox/inbox/store":        {"inbox/inbox", "inbox/inbox/datadir", "inbox/inbox/store/commit", "inbox/inbox/store/dedup"},
	"inbox/inbox/store/commit": {"inbox/inbox", "inbox/inbox/datadir"},
	"inbox/inbox/store/dedup":  {"inbox/inbox/store/commit"},
	"inbox/inbox/dispatch":     {"inbox/inbox"},
	"inbox/inbox/outbox":       {"inbox/inbox"},
	"inbox/inbox/egress":       {"inbox/inbox"},
	"inbox/inbox/wasm":         {"inbox/inbox"},
	"inbox/inbox/document":     {"inbox/inbox", "inbox/inbox/rawjson", "inbox/sdk/abi"},
	"inbox/inbox/host":         {"inbox/inbox", "inbox/inbox/rawjson", "inbox/inbox/egress", "inbox/inbox/wasm", "inbox/inbox/document", "inbox/sdk/abi"},
	"inbox/inbox/release":      {"inbox/inbox", "inbox/inbox/datadir", "inbox/inbox/egress", "inbox/inbox/wasm", "inbox/inbox/host", "inbox/sdk/abi"},
	"inbox/inbox/config":       {"inbox/inbox", "inbox/inbox/datadir", "inbox/inbox/qoreid", "inbox/inbox/intake"},
	"inbox/inbox/api":          {"inbox/inbox"},
	"inbox/inbox/operator":     {"inbox/inbox", "inbox/inbox/datadir", "inbox/inbox/api"},
	"inbox/inbox/bench":        {"inbox/inbox", "inbox/inbox/datadir", "inbox/inbox/qoreid", "inbox/inbox/intake", "inbox/inbox/store", "inbox/inbox/dispatch", "inbox/inbox/document", "inbox/inbox/host", "inbox/inbox/egress", "inbox/inbox/outbox", "inbox/plugins/demo", "inbox/sdk/abi"},
	"inbox/inbox/serve":        {"*"},
	"inbox/inbox/torture":      {"inbox/inbox", "inbox/inbox/datadir", "inbox/inbox/qoreid", "inbox/inbox/intake", "inbox/inbox/store", "inbox/inbox/dispatch", "inbox/inbox/outbox", "inbox/inbox/serve"},
	"inbox/inbox/cli":          {"*"},
	"inbox/inbox/inboxtest":    {"inbox/inbox", "inbox/inbox/store", "inbox/inbox/qoreid"},
	"inbox/inbox/storetest":    {"inbox/inbox", "inbox/inbox/inboxtest"},
	"inbox/plugins/demo":       {},
	"inbox/sdk/abi":            {},
	"inbox/sdk/go":             {"inbox/sdk/abi"},
	"inbox/examples/":          {"inbox/sdk/go", "inbox/sdk/abi"},

	"inbox/inbox/cli/console": {"inbox/inbox"},
}

// outside lists the modules the binary may link; each is argued for in docs/RATIONALE.md.
var outside = []string{
	"github.com/VictoriaMetrics/metrics", "github.com/gofrs/flock", "github.com/lmittmann/tint",
	"github.com/pelletier/go-toml/v2", "github.com/tetratelabs/wazero", "github.com/urfave/cli/v2", "golang.org/x/sys",
	"golang.org/x/term", "modernc.org/sqlite",
	// brought in by those
	"github.com/cpuguy83/go-md2man/v2", "github.com/russross/blackfriday/v2", "github.com/xrash/smetrics",
	"github.com/dustin/go-humanize", "github.com/google/uuid", "github.com/mattn/go-isatty", "github.com/ncruces/go-strftime",
	"github.com/remyoudompheng/bigfft", "github.com/valyala/fastrand", "github.com/valyala/histogram",
	"modernc.org/libc", "modernc.org/mathutil", "modernc.org/memory",
}

type pkg struct {
	ImportPath string
	Imports    []string
	Standard   bool
	Module     *struct{ Path string }
}

func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,Standard,Module"}, args...)...).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestPackagesImportOnlyWhatTheyMay(t *testing.T) {
	t.Parallel()
	for _, p := range list(t, "inbox/...") {
		may, known := allowed[p.ImportPath]
		if strings.HasPrefix(p.ImportPath, "inbox/examples/") {
			may, known = allowed["inbox/examples/"], true
		}
		if !known {
			t.Errorf("%s is not in the list of packages", p.ImportPath)
			continue
		}
		for _, imp := range p.Imports {
			first, _, _ := strings.Cut(imp, "/")
			ours := first == "inbox"
			if ours && !slices.Contains(may, "*") && !slices.Contains(may, imp) {
				t.Errorf("%s imports %s", p.ImportPath, imp)
			}
			if strings.HasPrefix(p.ImportPath, "inbox/sdk/") && strings.Contains(first, ".") {
				t.Errorf("%s imports %s: the sdk is for the standard library only", p.ImportPath, imp)
			}
			if p.ImportPath == "inbox/inbox/cli/console" && strings.HasPrefix(imp, "github.com/urfave/") {
				t.Errorf("%s imports %s: the console knows neither commands nor flags", p.ImportPath, imp)
			}
			if test := p.ImportPath == "inbox/inbox/storetest"; !test && (imp == "inbox/inbox/inboxtest" || imp == "inbox/inbox/storetest") {
				t.Errorf("%s imports a test package", p.ImportPath)
			}
		}
	}
}

func TestTheBinaryLinksOnlyModulesThatAreArguedFor(t *testing.T) {
	t.Parallel()
	for _, p := range list(t, "-deps", "inbox") {
		if p.Standard || p.Module == nil || p.Module.Path == "inbox" {
			continue
		}
		if !slices.Contains(outside, p.Module.Path) {
			t.Errorf("%s comes from %s, which is not in the list", p.ImportPath, p.Module.Path)
		}
	}
}

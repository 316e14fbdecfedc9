package release_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inbox/inbox/release"
)

// The test writes every default that docs/PLUGIN-ABI.md gives for NAME.toml into one file. The result must equal the manifest of
// an empty file.
func TestTheDefaultsInTheContractAreTheDefaultsOfTheLoader(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/PLUGIN-ABI.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(text), "## NAME.toml")
	if !ok {
		t.Fatal("the contract has no table of NAME.toml")
	}
	// Valid values for keys whose default the table does not give.
	examples := map[string]string{
		"events": `["address"]`, "event_types": `["step_*"]`, "sources": `["qoreid"]`, "modes": `["live"]`,
		"where": `{"/data/status/status" = ["VERIFIED"]}`, "concurrency": "3", "config": `{a = "b"}`, "limits.fuel": "1000000",
		"data.fields": `["/data/id"]`, "emit": `["customer.passed", "day.*"]`,
		"http.allow": `["https://api.example.com"]`, "http.private": `["http://10.0.0.5:8080"]`,
		"http.ca": `"/etc/inbox/ca.pem"`, "secrets": `{crm = {value = "env:CRM", origins = ["https://api.example.com"]}}`,
	}
	code := regexp.MustCompile("`([^`]+)`")
	defaults, seen := "", 0
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || !strings.HasPrefix(strings.TrimSpace(cells[1]), "`") {
			continue
		}
		keys, values := code.FindAllStringSubmatch(cells[1], -1), strings.Split(cells[2], ",")
		for i, key := range keys {
			seen++
			value := strings.Trim(strings.TrimSpace(values[min(i, len(values)-1)]), "`")
			if example, has := examples[key[1]]; has {
				if _, err := release.ParseManifest([]byte(key[1] + " = " + example)); err != nil {
					t.Errorf("%s is not valid: %v", key[1], err)
				}
				continue
			}
			defaults += key[1] + " = " + value + "\n"
		}
	}
	if seen < 18 {
		t.Errorf("only %d keys were found", seen)
	}
	written, err := release.ParseManifest([]byte(defaults))
	if err != nil {
		t.Fatalf("the defaults are not valid: %v\n%s", err, defaults)
	}
	none, err := release.ParseManifest(nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(none.WithDefaults(4), written.WithDefaults(4)); diff != "" {
		t.Errorf("with no file and with the defaults of the table:\n%s\n%s", diff, defaults)
	}
}

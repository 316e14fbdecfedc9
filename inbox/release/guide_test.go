package release_test

import (
	"os"
	"strings"
	"testing"

	"inbox/inbox/release"
)

// TestTheManifestsOfTheGuideAreValid reads every TOML block of docs/WRITING-PLUGINS.md as a manifest.
func TestTheManifestsOfTheGuideAreValid(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/WRITING-PLUGINS.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "```toml\n")[1:]
	if len(blocks) != 4 {
		t.Errorf("%d manifests, want 4", len(blocks))
	}
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		if _, err := release.ParseManifest([]byte(block)); err != nil {
			t.Errorf("%v in\n%s", err, block)
		}
	}
}

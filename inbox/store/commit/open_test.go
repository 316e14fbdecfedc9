package commit_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"inbox/inbox"
	"inbox/inbox/store/commit"
)

func TestAConnectionThatDoesNotFlushEveryCommitIsRejected(t *testing.T) {
	t.Parallel()
	for name, pragmas := range map[string][]string{
		"off":                {"journal_mode(WAL)", "synchronous(OFF)"},
		"normal":             {"journal_mode(WAL)", "synchronous(NORMAL)"},
		"a rollback journal": {"journal_mode(DELETE)", "synchronous(FULL)"},
	} {
		err := connect(emptyFile(t), pragmas...)
		if inbox.KindOf(err) != inbox.Unavailable || inbox.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := connect(emptyFile(t), "journal_mode(WAL)", "synchronous(FULL)"); err != nil {
		t.Errorf("a durable connection: %v", err)
	}
}

func emptyFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// connect opens a connection with pragmas, and returns the error of its check.
func connect(path string, pragmas ...string) error {
	c, err := commit.Connector(path, false, pragmas...)
	if err != nil {
		return err
	}
	conn, err := c.Connect(context.Background())
	if err != nil {
		return err
	}
	return conn.Close()
}

package main

import (
	"strings"
	"testing"
)

func TestPlainOnlyLogsLateEvents(t *testing.T) {
	for in, want := range map[string]string{
		`{"event":{"key":"k","verdict":"passed"}}`:              "k: passed",
		`{"event":{"key":"k","verdict":"pending","late":true}}`: "late",
	} {
		var log strings.Builder
		if code := run(strings.NewReader(in), &log); code != 0 || !strings.Contains(log.String(), want) {
			t.Errorf("%s: exit code %d, log %q", in, code, log.String())
		}
	}
	if code := run(strings.NewReader("no"), &strings.Builder{}); code == 0 {
		t.Error("a document that cannot be read is acknowledged")
	}
}

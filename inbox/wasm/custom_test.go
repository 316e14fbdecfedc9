package wasm_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/wasm"
)

func TestACustomSectionIsReadBackAndReplaced(t *testing.T) {
	t.Parallel()
	file := fixture(t, "ok")
	if got, err := wasm.Custom(file, "x", 10); got != nil || err != nil {
		t.Errorf("without the section: %q, %v", got, err)
	}
	for _, body := range []string{"one", "", "another"} {
		with, err := wasm.WithCustom(file, "x", []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := wasm.Custom(with, "x", 10); got == nil || string(got) != body || err != nil {
			t.Errorf("%q: %q, %v", body, got, err)
		}
		again, err := wasm.WithCustom(with, "x", []byte(body))
		if err != nil || !bytes.Equal(again, with) {
			t.Errorf("%q: it was not replaced: %v", body, err)
		}
		if _, err := rewrites(with, (*wasm.Module).Metered); err != nil {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func TestACustomSectionThatIsLongOrRepeatedOrCutOffIsRefused(t *testing.T) {
	t.Parallel()
	with, err := wasm.WithCustom(fixture(t, "ok"), "x", []byte("0123456789"))
	if err != nil {
		t.Fatal(err)
	}
	section := with[len(with)-14:] // id, length, name and content
	for name, c := range map[string]struct {
		file []byte
		says string
	}{
		"long":     {with, "the section x has 10 bytes, more than 9"},
		"repeated": {slices.Concat(with, section), "several sections x"},
		"cut off":  {with[:len(with)-1], "cut off or damaged"},
		"empty":    {nil, "the file is empty"},
	} {
		limit := 10
		if name == "long" {
			limit = 9
		}
		if _, err := wasm.Custom(c.file, "x", limit); inbox.KindOf(err) != inbox.Invalid || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want …%s…", name, err, c.says)
		}
	}
}

// The seed is a module that is rewritten: a seed that is refused would test nothing.
func TestTheSeedOfTheFuzzerIsAModule(t *testing.T) {
	t.Parallel()
	for _, rewrite := range []func(*wasm.Module) ([]byte, error){(*wasm.Module).Metered, (*wasm.Module).Paused} {
		if _, err := rewrites(fill, rewrite); err != nil {
			t.Error(err)
		}
	}
}

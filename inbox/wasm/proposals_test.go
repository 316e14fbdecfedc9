package wasm_test

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/wasm"
)

func TestARefusalNamesTheProposalAndWhatToBuildWithout(t *testing.T) {
	t.Parallel()
	for _, name := range inboxtest.Proposals() {
		file, err := inboxtest.Made(name)
		if err != nil {
			t.Fatal(err)
		}
		_, err = rewrites(file, (*wasm.Module).Metered)
		if inbox.KindOf(err) != inbox.Invalid || !strings.Contains(err.Error(), "the module uses WebAssembly ") || strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s: %v", name, err)
		}
		if hint := inbox.HintOf(err); !strings.HasPrefix(hint, "build ") || strings.Contains(hint, "copy the file again") {
			t.Errorf("%s: %q", name, hint)
		}
	}
}

// A file that was cut off or changed is reported as damaged, with the offset: no compiler produces it.
func TestADamagedModuleIsRefusedWithTheOffset(t *testing.T) {
	t.Parallel()
	refused := func(file []byte) string {
		t.Helper()
		_, err := rewrites(file, (*wasm.Module).Metered)
		if err == nil {
			return ""
		}
		if strings.Contains(err.Error(), "damaged") && !strings.HasPrefix(inbox.HintOf(err), "copy the file again") {
			t.Errorf("%v: %q", err, inbox.HintOf(err))
		}
		return err.Error()
	}
	whole, err := inboxtest.Made("instruction_that_is_none")
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.IndexByte(whole, 0x27)
	if says, want := refused(whole), fmt.Sprintf("27 in its code at byte %d", at); !strings.Contains(says, want) {
		t.Errorf("%q, want %q", says, want)
	}
	ok := fixture(t, "says_retry")
	for n := 9; n < len(ok); n++ {
		says := refused(ok[:n])
		if _, place, found := strings.Cut(says, "the module is cut off or damaged at byte "); found {
			if at, err := strconv.Atoi(place); err != nil || at < 8 || at > n {
				t.Errorf("the first %d bytes: %q", n, says)
			}
		} else if strings.Contains(says, "cut off") {
			t.Errorf("the first %d bytes: where is not said: %q", n, says)
		}
	}
}

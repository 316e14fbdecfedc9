package wasm_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/tetratelabs/wazero"

	"inbox/inbox"
	"inbox/inbox/wasm"
)

// fixtures is the directory of the hostile guests, which package host runs.
const fixtures = "../host/testdata"

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(fixtures, name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// fill is a command with a table and a memory; it fills nine bytes.
var fill = []byte("\x00asm\x01\x00\x00\x00" +
	"\x01\x04\x01\x60\x00\x00" + // one type, () -> ()
	"\x03\x02\x01\x00" + // one function
	"\x04\x04\x01\x70\x00\x03" + // a table of three
	"\x05\x03\x01\x00\x02" + // two pages of memory
	"\x07\x13\x02\x06_start\x00\x00\x06memory\x02\x00" +
	"\x0a\x0d\x01\x0b\x00\x41\x00\x41\x01\x41\x09\xfc\x0b\x00\x0b")

// A rewritten module is valid if and only if its original is.
//
// wazero's interpreter is the judge: it validates like the compiler and starts faster.
func FuzzRewrite(f *testing.F) {
	for _, name := range []string{"ok", "call_tree", "table_bomb", "memory_bomb", "session_bad_pointer", "later_import", "log_flood"} {
		f.Add(fixture(f, name))
	}
	f.Add(fill)
	r := wazero.NewRuntimeWithConfig(context.Background(), wazero.NewRuntimeConfigInterpreter())
	f.Fuzz(func(t *testing.T, file []byte) {
		for _, rewrite := range []func(*wasm.Module) ([]byte, error){(*wasm.Module).Metered, (*wasm.Module).Paused} {
			rewritten, err := rewrites(file, rewrite)
			if err != nil {
				if inbox.KindOf(err) != inbox.Invalid && !errors.Is(err, wasm.ErrTooComplex) {
					t.Errorf("refused as %s: %v", inbox.KindOf(err), err)
				}
				return
			}
			if hasCustom(file) {
				return // the rewriting dropped it, and it may be the invalid part
			}
			before, after := compiles(r, file), compiles(r, rewritten)
			if (before == nil) != (after == nil) {
				t.Errorf("before: %v; after: %v", before, after)
			}
		}
	})
}

// rewrites reads a module and rewrites it.
func rewrites(file []byte, rewrite func(*wasm.Module) ([]byte, error)) ([]byte, error) {
	m, err := wasm.Read(file)
	if err != nil {
		return nil, err
	}
	return rewrite(m)
}

// hasCustom reports whether a module has a custom section. The framing of its sections must be valid.
func hasCustom(file []byte) bool {
	for b := file[8:]; len(b) > 0; {
		if b[0] == 0 {
			return true
		}
		size, n := binary.Uvarint(b[1:])
		b = b[1+n+int(size):]
	}
	return false
}

// compiles returns why a module does not compile. wazero panics at some invalid modules.
func compiles(r wazero.Runtime, file []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	m, err := r.CompileModule(context.Background(), file)
	if err == nil {
		err = m.Close(context.Background())
	}
	return err
}

// Package demo holds the plugin that `inbox serve --demo` runs: a small WASI command, built from src/demo.c.
package demo

import (
	"bytes"
	_ "embed"
)

//go:embed demo.wasm
var module []byte

// Wasm returns a copy of the module. The caller may change it.
func Wasm() []byte { return bytes.Clone(module) }

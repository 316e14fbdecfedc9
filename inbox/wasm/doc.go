// Package wasm reads, checks and rewrites WebAssembly modules. It imports no runtime and does no I/O.
//
// [Read] parses a file and refuses modules that inbox does not run. [Module.Metered] rewrites a module so that it counts its
// instructions. [Module.Paused] rewrites it so that the runtime's own check can stop it. [Module.Weigh] and [Module.Figures]
// estimate what compiling and running a module takes. Package host compiles and runs the rewritten module; wazero validates it
// there. Every error about a module has the kind [inbox.Invalid] and a hint for the author of the plugin.
//
// The format is defined by the WebAssembly core specification 2.0 (https://www.w3.org/TR/wasm-core-2/).
package wasm

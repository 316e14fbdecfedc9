// Package wasm reads, checks and rewrites WebAssembly modules. It knows no runtime and does no I/O.
//
// [Read] reads a file and refuses what inbox does not run. [Module.Metered] rewrites the module so that it counts its
// instructions; [Module.Paused] rewrites it so that the runtime's own check can stop it. [Module.Weigh] and [Module.Figures]
// estimate what compiling and running the module takes. Package host compiles and runs what this package returns; wazero
// validates it there. Every error about a module is of the kind [inbox.Invalid] and has a hint for the author of the plugin.
//
// The format is that of the WebAssembly core specification 2.0 (https://www.w3.org/TR/wasm-core-2/).
package wasm

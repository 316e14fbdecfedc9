package wasm

// Bounds of a module. Real programs stay far below. A crafted module costs memory and time by its declarations alone, in the
// compiler or in every instance.
const (
	maxTypes           = 100_000
	maxParams          = 128
	maxResults         = 16
	maxSignatureValues = 1_000_000 // parameters and results of all types
	maxImports         = 1000
	maxExports         = 10_000
	maxFunctions       = 200_000
	maxName            = 1000 // bytes
	maxTables          = 16
	maxTable           = 1 << 16 // initial elements of all tables; also the maximum of one table: larger maxima are clamped
	maxSegments        = 100_000
	maxSection         = 1 << 20 // bytes of the globals, and of the elements: every instance keeps them in several times that size
)

// PageSize is the unit of a memory's size, in bytes.
const PageSize = 64 << 10

// Bounds of the code.
const (
	maxFunction = 512 << 10      // bytes of one function body
	maxLocals   = 10_000         // of one function
	allLocals   = 4_000_000      // of all functions
	maxEffort   = 6_000_000_000  // nanoseconds to compile one function, by [shape.effort]
	allEffort   = 40_000_000_000 // nanoseconds to compile all functions; Go programs take a second per megabyte
	lightEffort = 6_000_000_000  // nanoseconds to compile a light module
)

// Bounds of the memory that the compiler takes, in bytes.
const (
	MaxCompileMemory   = 400_000_000 // for one function; a function that takes more is refused
	LightCompileMemory = 128_000_000 // for a light module, which does not wait for modules that take longer
)

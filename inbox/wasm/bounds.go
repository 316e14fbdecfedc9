package wasm

// Bounds of what a module may have. Real programs stay far below; a crafted one takes memory and time by the declaration
// alone, of the compiler or of every instance.
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
	maxTable           = 1 << 16 // elements of all tables from the start; of one table ever: larger maxima are clamped
	maxSegments        = 100_000
	maxSection         = 1 << 20 // bytes of the globals, and of the elements: every instance holds them several times as large
)

// PageSize is the unit of a memory's size, in bytes.
const PageSize = 64 << 10

// Bounds of the code.
const (
	maxFunction = 512 << 10      // bytes of one function body
	maxLocals   = 10_000         // of one function
	allLocals   = 4_000_000      // of all functions
	maxEffort   = 6_000_000_000  // nanoseconds of compiling one function, as [shape.effort] has it
	allEffort   = 40_000_000_000 // of compiling all functions; Go programs take a second a megabyte
	lightEffort = 6_000_000_000  // nanoseconds of compiling a module that does not wait for those that take longer
)

// Bounds of the memory that compiling takes, in bytes.
const (
	MaxCompileMemory   = 400_000_000 // of one function; one that takes more is refused
	LightCompileMemory = 128_000_000 // of a module that does not wait for those that take longer
)

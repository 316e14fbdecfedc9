// Package inbox is the language of the program: the types that all packages share, and the pure decisions.
//
// One line runs from left to right:
//
//	POST ─► intake ─► qoreid ─► store ─► dispatch ─► host ─► guest
//	        bounded   signature, kept     next in     wazero   │
//	        body      envelope   once     lane                 │
//	                               ▲ settle ◄────── Outcome ◄──┘
//
// intake receives, qoreid verifies, store keeps, dispatch delivers, host runs, a settlement commits. Packages on the line do not
// know each other: they speak the types of this package, and package serve connects them.
//
// Three decisions are made here and in no other place: [Next] decides what becomes of a delivery after an attempt, [Hold]
// whether its whole plugin fails, and [Running] which release of a plugin runs. They are pure. This package does no I/O.
package inbox

// Package inbox is the language of the program: the words every room speaks and the two decisions that make
// it what it is.
//
// One line runs from left to right:
//
//	POST ─► intake ─► qoreid ─► store ─► dispatch ─► host ─► guest
//	        bounded   signature, kept     next in     wazero   │
//	        body      envelope   once     lane                 │
//	                               ▲ settle ◄────── Outcome ◄──┘
//
// intake receives, qoreid vouches, store keeps, dispatch leads, host runs, the outcome settles. No room on the
// line knows another; they meet in the types of this package, and package serve puts them together.
//
// What happens after an attempt is decided here and nowhere else: [Next] says what becomes of one delivery,
// [Hold] says whether its whole plugin is sick. Both are pure. This package does no I/O.
package inbox

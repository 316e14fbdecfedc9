// Package document builds the document that a plugin gets for an attempt: event, payload and grants go in, JSON comes out. It
// is pure: it reads no clock and does no I/O.
//
// The document is that of docs/PLUGIN-ABI.md, whose names and types are in package abi. A plugin sees of the body what its
// manifest's [data] grants. A long text is left out of the document and kept as [Texts], which package host lets the plugin
// read.
package document

// Package document builds the JSON document that a plugin gets for an attempt, from the event, its payload and the plugin's
// grants. It is pure: it reads no clock and does no I/O.
//
// docs/PLUGIN-ABI.md describes the document, and package abi has its names and types. A document shows as much of the body as
// the manifest's [data] grants. It leaves long texts out; [Texts] holds them, and package host lets the plugin read them.
package document

// Package operator serves the operator's API: handlers, authentication, masking, the event stream, health probes and metrics.
//
// There is one handler and three ways to it: the admin address with a token, the socket in the data directory, and the
// handler itself in the process of a command that found no server. Payloads are masked: an answer shows a short list of fields
// that hold no personal data, and the type and length of the rest. A request may reveal a payload, which is recorded. Health
// probes and metrics show no part of any event.
//
// The package reaches the store through one small interface per subject, and the running program through [Control]. The wire
// types are in package api.
package operator

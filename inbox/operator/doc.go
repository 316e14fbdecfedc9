// Package operator serves the operator's API: handlers, authentication, masking, the event stream, health probes and metrics.
//
// There is one handler and three ways to it: the admin address with a token, the socket in the data directory, and the
// handler itself in the process of a command that found no server.
package operator

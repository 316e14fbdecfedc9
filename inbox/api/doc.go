// Package api is how an operator reaches the program: JSON over HTTP, described by openapi.yaml.
//
// There is one handler and three ways to it: the admin address with a token, the socket in the data directory, and the
// handler itself in the process of a command that found no server. What is shown of a payload is a short list of
// fields that hold no personal data; the rest shows its type and length, unless it is to be revealed, which is
// recorded. Beside it stand the handlers for probes and metrics, which show nothing of any event.
package api

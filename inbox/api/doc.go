// Package api has the operator's API as its clients see it: the wire types, the client, the parameters of filters, and the
// OpenAPI description. The API is JSON over HTTP. Package operator serves it.
package api

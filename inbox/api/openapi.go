package api

import _ "embed"

// OpenAPI is the description of the API.
//
//go:embed openapi.yaml
var OpenAPI []byte

// AuditActions returns the actions that are recorded, as the audit log names them.
func AuditActions() []string {
	return []string{
		"reveal", "backup", "replay", "cancel", "retry", "discard", "release", "drop", "recheck", "pause", "resume", "rollback", "remove", "disabled", "token", "link", "reset", "rebuild",
	}
}

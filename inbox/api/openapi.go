package api

import _ "embed"

// OpenAPI is the description of the API.
//
//go:embed openapi.yaml
var OpenAPI []byte

// AuditActions returns the deeds that are recorded, by their words in the audit log.
func AuditActions() []string {
	return []string{"reveal", "backup", "replay", "cancel", "retry", "discard", "recheck", "pause", "resume", "rollback", "remove", "set_aside"}
}

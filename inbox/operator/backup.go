package operator

import (
	"inbox/inbox/api"
	"net/http"
	"os"
	"path/filepath"

	"inbox/inbox"
)

// backUp copies the store to a file on the machine of the store.
func (s *server) backUp(w http.ResponseWriter, r *http.Request) error {
	var req api.BackupRequest
	if err := decode(w, r, &req); err != nil {
		return err
	}
	if !filepath.IsAbs(req.Path) {
		return inbox.Errorf(inbox.Invalid, "", "the path of the copy is %q, which is not absolute", req.Path)
	}
	if err := s.upkeep.Backup(r.Context(), actor(r, req.Reason), req.Path); err != nil {
		return err
	}
	info, err := os.Stat(req.Path)
	if err != nil {
		return inbox.Errorf(inbox.Internal, "measure the copy", "%w", err)
	}
	return reply(w, api.Backup{Path: req.Path, Bytes: info.Size()})
}

package operator

import (
	"fmt"
	"inbox/inbox/api"
	"io"
	"net/http"
	"strings"

	"inbox/inbox"
)

// fileReasons returns the reasons to look at a plugin's files, or at a file that belongs to no plugin.
func fileReasons(p *api.Plugin) []api.Reason {
	subject := "plugin " + p.Name + ": "
	var list []api.Reason
	add := func(code, hint, message string) {
		list = append(list, api.Reason{Code: code, Plugin: p.Name, Message: message, Hint: hint})
	}
	switch p.State {
	case inbox.FileStray:
		list = append(list, api.Reason{Code: "stray_file", Message: "the plugins folder: " + p.Error, Hint: p.Hint}) // it belongs to no plugin
	case inbox.FileRefused:
		add("refused_file", p.Hint, subject+"its file was refused: "+p.Error)
	case inbox.FileCrashLoop:
		add("crash_loop", "wait: within seconds it has its turn", subject+p.Error)
	case inbox.FileAbsent:
		if p.Live == "" && p.Behind == 0 {
			break
		}
		message := subject + "it was live and its file is absent"
		if p.Behind > 0 {
			message += ": " + plural(p.Behind, "event waits", "events wait")
		}
		add("absent", "put "+p.Name+".toml, if it had one, and then "+p.Name+".wasm back into the plugins folder; or `inbox plugin remove "+p.Name+"`", message)
	}
	if p.Disabled != "" {
		why := p.Error
		if !strings.Contains(why, p.Disabled) { // p.Error is about another release
			why = "release " + p.Disabled + " is disabled"
		}
		add("disabled", "mend it and drop it in again; or `inbox plugin resume "+p.Name+"` brings it back", subject+why)
	}
	return list
}

// labelled returns the plugins whose names may be labels of metrics: those with a record in the store, or about to run. It
// excludes refused files: anybody may choose their names, and their number has no bound.
func labelled(plugins []api.Plugin) (list []api.Plugin, refused, stray int) {
	for i := range plugins {
		p := &plugins[i]
		switch p.State {
		case inbox.FileRefused:
			refused++
		case inbox.FileStray:
			stray++
		}
		if inbox.IsPluginName(p.Name) && (!p.CreatedAt.IsZero() || (p.State != inbox.FileRefused && p.State != inbox.FileStray)) {
			list = append(list, *p)
		}
	}
	return list, refused, stray
}

// writeFileGauges writes the number of refused files and of stray files.
func writeFileGauges(w io.Writer, refused, stray int) {
	fmt.Fprintf(w, "inbox_refused_files %d\ninbox_stray_files %d\n", refused, stray)
}

// removePlugin forgets a plugin that has no file.
func (s *server) removePlugin(w http.ResponseWriter, r *http.Request) error {
	var req api.ActionRequest
	if err := decode(w, r, &req); err != nil {
		return err
	}
	p, err := s.plugin(r)
	if err != nil {
		return err
	}
	switch {
	case p.State == inbox.FileStray:
		return inbox.Errorf(inbox.Conflict, "", "%s is a file and no plugin", p.Name).WithHint(p.Hint)
	case p.State != inbox.FileAbsent:
		return inbox.Errorf(inbox.Conflict, "", "plugin %s has its file in the plugins folder", p.Name).
			WithHint("take " + p.Name + ".wasm and " + p.Name + ".toml out of the plugins folder first")
	}
	ctx := r.Context()
	out := api.Removed{Plugin: p.Name}
	err = s.Control.Remove(ctx, p.Name, func() ([]string, error) {
		unused, err := s.records.RemovePlugin(ctx, actor(r, req.Reason), p.Name)
		out.Releases = len(unused)
		return unused, err
	})
	if err != nil {
		return err
	}
	return reply(w, out)
}

package release

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"inbox/inbox"
)

// may returns what is known of a plugin, unless its files would show it more than its operator may have meant.
func (s *Loader) may(ctx context.Context, file *found, near string) (*inbox.PluginRecord, error) {
	record, err := s.opt.Keep.Record(ctx, file.release.Plugin)
	if inbox.KindOf(err) == inbox.NotFound { // it has never run
		return &inbox.PluginRecord{}, orphaned(file, near)
	}
	if err != nil {
		return nil, err
	}
	return record, s.showsMore(ctx, record, file)
}

// widens refuses a plugin whose NAME.toml is gone when it is that file which narrowed what the plugin is shown: a file that is
// misnamed, put down late or cut off must not widen it in silence. A file with a comment in it says that it is meant.
func (s *Loader) showsMore(ctx context.Context, record *inbox.PluginRecord, file *found) error {
	was := record.Live
	if record.Pinned != "" {
		was = record.PinnedOff
	}
	if !file.bare || was == "" || was == file.release.ID {
		return nil
	}
	releases, err := s.opt.Keep.Releases(ctx, record.Name)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(releases, func(r inbox.Release) bool { return r.ID == was })
	if i < 0 {
		return nil
	}
	keys := narrows(releases[i].Manifest)
	if len(keys) == 0 {
		return nil
	}
	return inbox.Errorf(inbox.Invalid, "", "its %s.toml is gone or empty, which narrowed what the plugin is shown (%s)", record.Name, strings.Join(keys, ", ")).
		WithHint("put " + record.Name + ".toml back; one that holds but a comment has the plugin run with the defaults")
}

// orphaned refuses a plugin that never ran and has no manifest, while one without a module lies there under a name like it: it
// would begin by being shown all that its operator may have meant to withhold.
func orphaned(file *found, near string) error {
	if near == "" || !file.bare {
		return nil
	}
	name := file.release.Plugin
	return inbox.Errorf(inbox.Invalid, "", "%q, which has no module, may be meant for it", shown(near)).
		WithHint("rename it to " + name + ".toml; or remove it, or write a comment into " + name + ".toml")
}

// changed reports whether a plugin's files are others than those that were compiled: its manifest may have come meanwhile.
func (s *Loader) changed(j *compilation) bool {
	if !j.live.Yields || j.state.read == readAgain {
		return false
	}
	name := j.live.Release.Plugin
	l, err := listOf(s.opt.Dir)
	if err != nil || l.stamps[name] == j.state.read {
		return false
	}
	now := s.readFiles(name, l.blocks[name], true)
	return now.err != nil || now.release.ID != j.live.Release.ID
}

// shownOf says in a word what a plugin is shown of bodies, for the log.
func shownOf(m *inbox.Manifest) string {
	if m.Data.Fields == nil {
		return "whole bodies"
	}
	return fmt.Sprintf("fields: %d", len(m.Data.Fields))
}

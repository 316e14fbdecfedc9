package release

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"inbox/inbox"
)

// checkedRecord returns the record of a plugin. The error is Invalid when its files would show it more data than the operator
// may have intended.
func (s *Loader) checkedRecord(ctx context.Context, file *pluginFiles, similar string) (*inbox.PluginRecord, error) {
	record, err := s.opt.Keep.Record(ctx, file.release.Plugin)
	if inbox.KindOf(err) == inbox.NotFound { // it has never run
		return &inbox.PluginRecord{}, checkOrphan(file, similar)
	}
	if err != nil {
		return nil, err
	}
	return record, s.checkNarrowing(ctx, record, file)
}

// checkState applies checkStateVersion to a compiled release. It runs after the compilation, because until then the release before it may
// write state.
func (s *Loader) checkState(ctx context.Context, j *compilation) error {
	r := &j.live.Release
	record, err := s.opt.Keep.Record(ctx, r.Plugin)
	switch {
	case inbox.KindOf(err) == inbox.NotFound: // it has never run
		return nil
	case err != nil:
		return err
	}
	err = checkStateVersion(record, &j.live.Manifest)
	if err != nil && r.ID != j.entry.File {
		return fmt.Errorf("release %s: %w", r.ID, err)
	}
	if !j.fallback {
		j.entry.Older = err != nil
	}
	return err
}

// checkStateVersion rejects a release whose state_version is lower than that of the plugin's state documents: it was made before they
// were, and cannot know what they mean.
func checkStateVersion(record *inbox.PluginRecord, m *inbox.Manifest) error {
	if m.StateVersion >= record.StateVersion {
		return nil
	}
	declares := "declares no state_version"
	if m.StateVersion > 0 {
		declares = fmt.Sprintf("declares state_version %d", m.StateVersion)
	}
	return inbox.Errorf(inbox.Invalid, "", "it %s, and the plugin has state documents of version %d", declares, record.StateVersion).
		WithHint(fmt.Sprintf("run a release that reads them, with state_version = %d or more in %s.toml; or fold the state again in this version with `inbox replay --rebuild --all --plugin %s`; or remove the files and forget the state with `inbox plugin remove %s`",
			record.StateVersion, record.Name, record.Name, record.Name))
}

// checkNarrowing rejects a plugin whose NAME.toml is missing, if that file limited the data that the plugin sees. A file that
// is misnamed, copied late or truncated must not remove the limit silently. A file with only a comment shows that the operator
// intends it.
func (s *Loader) checkNarrowing(ctx context.Context, record *inbox.PluginRecord, file *pluginFiles) error {
	was := record.Live
	if record.Pinned != "" {
		was = record.PinnedOff
	}
	if !file.noManifest || was == "" || was == file.release.ID {
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
	keys := narrowingKeys(releases[i].Manifest)
	if len(keys) == 0 {
		return nil
	}
	return inbox.Errorf(inbox.Invalid, "", "its %s.toml is missing or empty; it limited the data that the plugin sees (%s)", record.Name, strings.Join(keys, ", ")).
		WithHint("put " + record.Name + ".toml back; with a file of one comment the plugin runs with the defaults")
}

// checkOrphan rejects a plugin that never ran and has no manifest, if the folder has a manifest with a similar name and no
// module. The plugin would see data that the operator may have intended to withhold.
func checkOrphan(file *pluginFiles, similar string) error {
	if similar == "" || !file.noManifest {
		return nil
	}
	name := file.release.Plugin
	return inbox.Errorf(inbox.Invalid, "", "%q, which has no module, may be meant for it", shown(similar)).
		WithHint("rename it to " + name + ".toml; or remove it, or write a comment into " + name + ".toml")
}

// shownData describes for the log which part of bodies a plugin sees.
func shownData(m *inbox.Manifest) string {
	if m.Data.Fields == nil {
		return "whole bodies"
	}
	return fmt.Sprintf("fields: %d", len(m.Data.Fields))
}

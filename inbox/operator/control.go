package operator

import (
	"context"
	"time"

	"inbox/inbox"
)

// Control is what an operator can do to the program around the store: to its plugins folder and to its dispatcher. Package
// serve implements it, for a running server and for a command that finds none.
type Control interface {
	Folder
	Dispatcher
	Rebuilder
}

// Rebuilder folds state of plugins again.
type Rebuilder interface {
	// Rebuild folds state of a plugin again. It ends with ctx, and then the state is as before. Without a server it is Unavailable.
	Rebuild(ctx context.Context, r *inbox.RebuildRequest) (inbox.Rebuilt, error)
	// Rebuilding returns how far the rebuild of a plugin is, and false when none runs.
	Rebuilding(plugin string) (inbox.RebuildProgress, bool)
}

// Folder is the plugins folder.
type Folder interface {
	// Files returns the plugins' files by name, and the files that belong to no plugin.
	Files(ctx context.Context) ([]File, error)
	// Permissions returns what a plugin asks for and is granted: by its file as it is now, or, with an id, in that release.
	// It is NotFound when there is no such file.
	Permissions(ctx context.Context, plugin, release string) ([]inbox.Permission, error)
	// Manifest returns the manifest in force for the live release of a plugin; nil when no release is live.
	Manifest(ctx context.Context, plugin string) (*inbox.Manifest, error)
	// Remove calls do, which forgets a plugin, while the plugin has no file and none of its attempts runs. It then deletes the
	// kept modules of the releases that do returns. It is a Conflict when the plugin has a file.
	Remove(ctx context.Context, plugin string, do func() (releases []string, err error)) error
}

// Dispatcher is the part of the program that runs plugins.
type Dispatcher interface {
	// Changed makes the dispatcher read what the store holds of a plugin, or of every plugin when the name is empty. Call it
	// after a pause, a resume, a released lane, a new or cancelled replay, or a pin.
	Changed(plugin string)
	// Halt makes a stored pause of the plugin take effect. When it returns, no attempt starts until the plugin is resumed. It
	// waits until the running attempts have ended, or ctx is done.
	Halt(ctx context.Context, plugin string)
	// Resume ends the pause of everything that `inbox serve --paused` began with.
	Resume()
	// Unsent returns why the requests of a plugin are not sent, and a hint; empty when they are, or when no server runs.
	Unsent(plugin string) (why, hint string)
	// Notes returns further facts for the operator, one sentence each, such as why no plugin runs.
	Notes(ctx context.Context) []string
}

// File is the state of a plugin's file and of its live release.
type File struct {
	Plugin  string
	State   inbox.FileState
	Live    string // id of the live release; empty for none
	Release string // id of the file's own release; empty when the file is no release
	Err     string // why it was refused
	Hint    string
	Since   time.Time
	Running int    // attempts that run
	Engine  string // of the live release; empty for none
	Note    string // anything unusual about how it runs
}

// Sources are the configured sources, as refused requests need them. *config.Settings implements it.
type Sources interface {
	// Verify checks a refused request with the current secrets. When it does not pass, why is the reason.
	Verify(r *inbox.Refused) (a *inbox.Arrival, why string, err error)
	// Explain returns the text that explains why a refused request does not pass. It is empty when the request passes.
	Explain(r *inbox.Refused) string
}

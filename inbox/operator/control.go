package operator

import (
	"context"
	"time"

	"inbox/inbox"
)

// House is the program that runs around the store: its plugins folder and its dispatcher. Package serve implements it;
// a command that works on the store without a server brings one in which nothing runs.
type House interface {
	// Files returns what is known of the files in the plugins folder, by name.
	Files(ctx context.Context) ([]File, error)
	// Terms returns what a plugin asks for beside what it is granted: by its file as it is now, or, with an id, in that release.
	// It is NotFound when there is no such file.
	Terms(ctx context.Context, plugin, release string) ([]inbox.Permission, error)
	// Manifest returns what is in force for the release of a plugin that runs; nil when none does.
	Manifest(ctx context.Context, plugin string) (*inbox.Manifest, error)
	// Remove has a plugin forgotten by do, while nothing of it runs and it has no file, and deletes the kept modules of the releases
	// that do returns. It is a Conflict when the plugin has a file.
	Remove(ctx context.Context, plugin string, do func() (releases []string, err error)) error
	// Changed says that an operator changed something in the store about the plugin, or about any with an empty name:
	// paused or resumed it, released a lane, made or cancelled a replay, pinned a release.
	Changed(plugin string)
	// Halt makes the pause of a plugin that the store holds take effect: when it returns, no attempt begins until somebody
	// resumes the plugin. It waits until the attempts under way have ended, or ctx is done.
	Halt(ctx context.Context, plugin string)
	// Resume ends the pause of everything that `inbox serve --paused` began with.
	Resume()
	// Notes returns what else the operator should know, a sentence each: why nothing runs, what is left out.
	Notes(ctx context.Context) []string
}

// File is what is known of a plugin's file, and of its release that runs.
type File struct {
	Plugin  string
	State   inbox.FileState
	Live    string // id of the release that runs; empty for none
	Release string // id of the release that the file is; empty when it is none
	Err     string // why it was refused
	Hint    string
	Since   time.Time
	Running int    // attempts under way
	Engine  string // of the live release; empty for none
	Note    string // why it does not run as one would expect
}

// Sources are the configured sources, as far as refused requests need them. *config.Settings is one.
type Sources interface {
	// Vouch checks a refused request with today's secrets. Otherwise why says why it does not pass.
	Vouch(r *inbox.Refused) (a *inbox.Arrival, why string, err error)
	// Explain says in words why a refused request does not pass, empty when it does.
	Explain(r *inbox.Refused) string
}

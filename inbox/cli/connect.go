package cli

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/config"
	"inbox/inbox/host"
	"inbox/inbox/release"
	"inbox/inbox/serve"
	"inbox/inbox/store"
)

// client returns a client of the API: of the server that --url names, of the one that runs on the data directory, or
// of the store itself when none runs. The lock tells whether one runs, not the socket.
func (p *program) client(c *cli.Context) (*api.Client, error) {
	if address := p.flagOrEnv(c, "url", "INBOX_URL"); address != "" {
		token, err := p.token(c)
		if err != nil {
			return nil, err
		}
		if !strings.Contains(address, "://") {
			address = "http://" + address
		}
		p.note("using %s", address)
		return &api.Client{HTTP: &http.Client{}, Base: address, Token: token}, nil
	}
	s, err := p.settings(c)
	if err != nil {
		return nil, err
	}
	if h, running := store.Holder(s.Data); running {
		p.note("using %s of process %d", h.Socket, h.PID)
		return socketClient(h.Socket), nil
	}
	return p.offlineClient(s)
}

func (p *program) note(format string, args ...any) {
	if p.verbose {
		p.say(format, args...)
	}
}

// flagOrEnv returns a flag's value, else a variable's.
func (p *program) flagOrEnv(c *cli.Context, flag, env string) string {
	if c.IsSet(flag) {
		return c.String(flag)
	}
	return p.getenv(env)
}

// token returns the token for --url.
func (p *program) token(c *cli.Context) (string, error) {
	token := p.flagOrEnv(c, "token", "INBOX_TOKEN")
	path, isFile := strings.CutPrefix(token, "@")
	if !isFile {
		return token, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", inbox.Errorf(inbox.Invalid, "read the token", "%w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

func socketClient(path string) *api.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "unix", path)
	}}
	return &api.Client{HTTP: &http.Client{Transport: transport}, Base: "http://inbox.sock"}
}

// offlineClient opens the store and calls the API in this process.
func (p *program) offlineClient(s *config.Settings) (*api.Client, error) {
	st, err := store.Open(p.ctx, store.Options{Dir: s.Data, MinFree: s.MinFree})
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, st.Close)
	p.note("no server runs: using %s", s.Data)
	handler := api.New(api.Options{
		Store: st, House: &offline{settings: s, store: st}, Sources: s, Version: version(), Now: p.now,
	})
	return &api.Client{HTTP: &http.Client{Transport: api.Local{Handler: handler}}, Base: "http://in-process"}, nil
}

// offline is the house when no server runs: files lie in the folder, and nothing happens.
type offline struct {
	settings *config.Settings
	store    *store.Store
}

// Files returns the files in the plugins folder. Whether a module runs is only known once it was compiled, which a
// list does not wait for.
func (o *offline) Files(context.Context) ([]api.File, error) {
	paths, err := filepath.Glob(filepath.Join(o.settings.Plugins, "*.wasm"))
	if err != nil {
		return nil, inbox.Errorf(inbox.Internal, "read the plugins folder", "%w", err)
	}
	var files []api.File
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".wasm")
		if strings.HasPrefix(name, ".") {
			continue
		}
		f := api.File{Plugin: name, State: api.FileStopped}
		rel, err := readPlugin(path)
		if err != nil {
			f.State, f.Err, f.Hint = api.FileRefused, err.Error(), inbox.HintOf(err)
		}
		f.Release = rel.ID
		files = append(files, f)
	}
	return files, nil
}

// readPlugin reads a module and its manifest, and gives them the id they will have as a release.
func readPlugin(path string) (inbox.Release, error) {
	wasm, err := os.ReadFile(path)
	if err != nil {
		return inbox.Release{}, inbox.Errorf(inbox.NotFound, "read the plugin", "%w", err)
	}
	name := strings.TrimSuffix(filepath.Base(path), ".wasm")
	text, err := os.ReadFile(strings.TrimSuffix(path, ".wasm") + ".toml")
	if err != nil && !os.IsNotExist(err) {
		return inbox.Release{}, inbox.Errorf(inbox.Unavailable, "read the manifest", "%w", err)
	}
	rel := release.Describe(name, wasm, text)
	a, err := release.Agree(name, wasm, text, 1)
	if err == nil {
		err = a.Err(name)
	}
	return rel, err
}

// Inspect compiles a kept release to look at it.
func (o *offline) Inspect(ctx context.Context, plugin, id string) (*api.Module, error) {
	releases, err := o.store.Releases(ctx, plugin)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(releases, func(r inbox.Release) bool { return r.ID == id })
	if i < 0 {
		return nil, inbox.Errorf(inbox.NotFound, "", "plugin %s has no release %s", plugin, id)
	}
	wasm, err := os.ReadFile(filepath.Join(o.settings.Data, "releases", id+".wasm"))
	if err != nil {
		return nil, inbox.Errorf(inbox.NotFound, "read the release", "%w", err)
	}
	a, err := release.Agree(plugin, wasm, releases[i].Manifest, 1)
	if err != nil {
		return nil, err
	}
	return inspect(ctx, wasm, &a.Manifest)
}

// Manifest returns what was in force for the release that ran last; nil when none did.
func (o *offline) Manifest(ctx context.Context, plugin string) (*inbox.Manifest, error) {
	record, err := o.store.Record(ctx, plugin)
	if err != nil || record.Live == "" {
		return nil, err
	}
	releases, err := o.store.Releases(ctx, plugin)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(releases, func(r inbox.Release) bool { return r.ID == record.Live })
	if i < 0 {
		return nil, nil
	}
	wasm, err := os.ReadFile(filepath.Join(o.settings.Data, "releases", record.Live+".wasm"))
	if err != nil {
		return nil, inbox.Errorf(inbox.NotFound, "read the release", "%w", err)
	}
	a, err := release.Agree(plugin, wasm, releases[i].Manifest, 1)
	if err != nil {
		return nil, err
	}
	return &a.Manifest, nil
}

// Terms returns what a plugin asks for and is granted: by its file, or in a release.
func (o *offline) Terms(ctx context.Context, plugin, id string) ([]api.Term, error) {
	return serve.Terms(ctx, o.store, o.settings, plugin, id)
}

// inspect compiles a module to look at it.
func inspect(ctx context.Context, wasm []byte, m *inbox.Manifest) (*api.Module, error) {
	h, err := host.New(ctx, host.Options{})
	if err != nil {
		return nil, err
	}
	defer h.Close(context.WithoutCancel(ctx))
	program, err := h.Compile(ctx, wasm, m)
	if err != nil {
		return nil, err
	}
	defer program.Close(context.WithoutCancel(ctx))
	info := api.Module(program.Info())
	return &info, nil
}

// Changed does nothing: the next server reads the store.
func (o *offline) Changed(string) {}

// Halt does nothing: nothing runs.
func (o *offline) Halt(context.Context, string) {}

// Resume does nothing: nothing is paused that does not run.
func (o *offline) Resume() {}

// Notes says that nothing runs.
func (o *offline) Notes(context.Context) []string {
	return append([]string{"no server runs: nothing is received and no plugin runs"}, o.settings.Notes...)
}

package cli

import (
	"context"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/config"
	"inbox/inbox/datadir"
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
		return &api.Client{HTTP: &http.Client{CheckRedirect: noRedirect}, Base: address, Token: token}, nil
	}
	s, err := p.settings(c)
	if err != nil {
		return nil, err
	}
	if h, running := datadir.Holder(s.Data); running {
		p.note("using %s of process %d", h.Socket, h.PID)
		return socketClient(h.Socket), nil
	}
	return p.offlineClient(s)
}

// noRedirect has a client return a redirect as it was answered. Following one turns a POST into a GET without a body.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (p *program) note(format string, args ...any) {
	if p.verbose && !p.quiet { // who asks for it gets it beside JSON too
		p.talk(format, args...)
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
	var list []api.File
	err := release.Survey(o.settings.Plugins, 1, func(f release.Found) {
		one := api.File{Plugin: f.Plugin, State: api.FileStopped, Release: f.Release.ID}
		if f.Err != nil {
			one.State, one.Err, one.Hint = api.FileRefused, f.Err.Error(), inbox.HintOf(f.Err)
		}
		if f.Stray {
			one.State = api.FileStray
		}
		list = append(list, one)
	})
	return list, err
}

// Manifest returns what was in force for the release that ran last; nil when none did.
func (o *offline) Manifest(ctx context.Context, plugin string) (*inbox.Manifest, error) {
	record, err := o.store.Record(ctx, plugin)
	if err != nil || record.Live == "" {
		return nil, err
	}
	return serve.Manifest(ctx, o.store, o.settings, plugin, record.Live)
}

// Terms returns what a plugin asks for and is granted: by its file, or in a release.
func (o *offline) Terms(ctx context.Context, plugin, id string) ([]api.Term, error) {
	return serve.Terms(ctx, o.store, o.settings, plugin, id)
}

// Remove has a plugin forgotten that has no file.
func (o *offline) Remove(_ context.Context, plugin string, do func() ([]string, error)) error {
	unused, err := do()
	if err != nil {
		return err
	}
	return serve.RemoveKept(o.settings, unused)
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
	notes := []string{"no server runs: nothing is received and no plugin runs"}
	if _, err := release.Guard(o.settings.Plugins, false); err != nil {
		notes = append(notes, err.Error()+"; "+inbox.HintOf(err))
	}
	notes = append(notes, o.settings.Notes...)
	return append(notes, o.settings.SecretNotes()...)
}

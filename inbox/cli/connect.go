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
	"inbox/inbox/operator"
	"inbox/inbox/serve"
)

// client returns a client of the API: of the server in --url, of the server that runs on the data directory, or, when none runs, of
// the store itself. A server runs if the data directory is locked; a leftover socket does not count.
func (p *program) client(c *cli.Context) (*api.Client, error) {
	if address := p.flagOrEnv(c, "url", "INBOX_URL"); address != "" {
		token, err := p.token(c)
		if err != nil {
			return nil, err
		}
		if !strings.Contains(address, "://") {
			address = "http://" + address
		}
		p.sayVerbose("using %s", address)
		return &api.Client{HTTP: &http.Client{CheckRedirect: noRedirect}, Base: address, Token: token}, nil
	}
	s, err := p.settings(c)
	if err != nil {
		return nil, err
	}
	if h, running := datadir.Holder(s.Data); running {
		p.sayVerbose("using %s of process %d", h.Socket, h.PID)
		return socketClient(h.Socket), nil
	}
	return p.offlineClient(s)
}

// noRedirect makes a client return a redirect instead of following it. A followed redirect turns a POST into a GET without a body.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// sayVerbose writes a message with --verbose, also when the output is JSON.
func (p *program) sayVerbose(format string, args ...any) {
	if p.verbose && !p.Quiet {
		p.Talk(format, args...)
	}
}

// flagOrEnv returns the value of a flag if it is set, else of an environment variable.
func (p *program) flagOrEnv(c *cli.Context, flag, env string) string {
	if c.IsSet(flag) {
		return c.String(flag)
	}
	return p.Getenv(env)
}

// token returns the token for the server in --url.
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
	control, err := serve.Offline(p.ctx, s)
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, control.Close)
	p.sayVerbose("no server runs: using %s", s.Data)
	options := control.API(version())
	options.Now = p.Now
	return &api.Client{HTTP: &http.Client{Transport: operator.Local{Handler: operator.New(options)}}, Base: "http://in-process"}, nil
}

// inspectModule compiles a module and returns its properties.
func inspectModule(ctx context.Context, wasm []byte, m *inbox.Manifest) (*inbox.Module, error) {
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
	info := program.Info()
	return &info, nil
}

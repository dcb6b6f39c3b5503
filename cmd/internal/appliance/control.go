package appliance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"canseal/internal/durable"
	"canseal/segment"
)

// socketFile in the state folder names the path of the local socket.
const socketFile = "socket"

// verbs is what the local socket can ask of the appliance.
type verbs interface {
	StatusJSON() []byte
	Rotate(ctx context.Context, final bool) (segment.Name, error)
	Keep(name segment.Name, keep bool) error
	Retry(all bool)
	Reload(ctx context.Context) error
	Rollback(ctx context.Context, name string, weaker bool) error
	questions(*http.ServeMux)
	clockVerbs
}

// control answers HTTP with JSON on a Unix socket of mode 0600. Only root and
// the daemon's own user are answered. It opens no network port.
//
//	GET  /v1/status            device.json as it is now
//	POST /v1/rotate            {"final":false}: seal the running segment; answers {"sealed":"SESSION/SPLIT"}
//	POST /v1/keep              {"session":17,"split":3,"keep":true}
//	POST /v1/retry             {"all":false}: parked segments, or all without a receipt here
//	POST /v1/reload            {}: read the card again
//	POST /v1/clock/reset-floor {}: the trust floor is the build time again
//	POST /v1/rollback          {"object":"config.yaml","weaker":false}: the previous one
type control struct {
	verbs verbs
	state durable.FS
	log   *slog.Logger
	dir   string // of the socket; removed at the end when it is ours
	path  string
	owned bool
}

// newControl chooses the socket's place: $RUNTIME_DIRECTORY of systemd, else
// a fresh folder among the temporary files. Never the card: FAT has no sockets.
func newControl(v verbs, state durable.FS, log *slog.Logger) (*control, error) {
	c := &control{verbs: v, state: state, log: log, dir: os.Getenv("RUNTIME_DIRECTORY")}
	if c.dir == "" {
		removeStale(state)
		dir, err := os.MkdirTemp("", "canseal-")
		if err != nil {
			return nil, fmt.Errorf("folder of the local socket: %w", err)
		}
		c.dir, c.owned = dir, true
	}
	c.path = filepath.Join(c.dir, "control.sock")
	return c, nil
}

// removeStale removes the folder that a killed daemon of this state folder has
// left; the lock says that it runs no more.
func removeStale(state durable.FS) {
	b, err := durable.ReadFile(state, socketFile, 4096)
	path := strings.TrimSpace(string(b))
	dir := filepath.Dir(path)
	if err == nil && filepath.Dir(dir) == filepath.Clean(os.TempDir()) && strings.HasPrefix(filepath.Base(dir), "canseal-") {
		_ = os.Remove(path)
		_ = os.Remove(dir)
	}
}

func (c *control) String() string { return "control" }

// Run serves until ctx ends.
func (c *control) Run(ctx context.Context) error {
	listener, err := c.listen()
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           c.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(c.log.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(peerChecked{listener}); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("local socket: %w", err)
	}
	return nil
}

func (c *control) listen() (*net.UnixListener, error) {
	if err := os.Remove(c.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("local socket: %w", err)
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: c.path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("local socket: %w", err)
	}
	if err := os.Chmod(c.path, 0o600); err != nil {
		listener.Close()
		return nil, fmt.Errorf("local socket: %w", err)
	}
	if err := durable.WriteFile(c.state, socketFile, []byte(c.path+"\n"), 0o600); err != nil {
		c.log.Warn("path of the local socket not written", "error", err)
	}
	return listener, nil
}

// Close removes the socket's folder when it is ours.
func (c *control) Close() {
	_ = c.state.Remove(socketFile)
	_ = os.Remove(c.path)
	if c.owned {
		_ = os.Remove(c.dir)
	}
}

func (c *control) handler() http.Handler {
	mux := http.NewServeMux()
	c.verbs.questions(mux)
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(c.verbs.StatusJSON())
	})
	mux.HandleFunc("POST /v1/rotate", func(w http.ResponseWriter, r *http.Request) {
		var in rotateRequest
		if err := decodeRequest(r, &in); err != nil {
			answer(w, reply{}, err)
			return
		}
		name, err := c.verbs.Rotate(r.Context(), in.Final)
		answer(w, reply{Sealed: name.String()}, err)
	})
	mux.HandleFunc("POST /v1/keep", func(w http.ResponseWriter, r *http.Request) {
		var in keepRequest
		if err := decodeRequest(r, &in); err != nil {
			answer(w, reply{}, err)
			return
		}
		answer(w, reply{}, c.verbs.Keep(segment.Name{Session: in.Session, Split: in.Split}, in.Keep))
	})
	mux.HandleFunc("POST /v1/retry", func(w http.ResponseWriter, r *http.Request) {
		var in retryRequest
		if err := decodeRequest(r, &in); err != nil {
			answer(w, reply{}, err)
			return
		}
		c.verbs.Retry(in.All)
		answer(w, reply{}, nil)
	})
	mux.HandleFunc("POST /v1/reload", func(w http.ResponseWriter, r *http.Request) {
		if err := decodeRequest(r, &struct{}{}); err != nil {
			answer(w, reply{}, err)
			return
		}
		answer(w, reply{}, c.verbs.Reload(r.Context()))
	})
	mux.HandleFunc("POST /v1/rollback", func(w http.ResponseWriter, r *http.Request) {
		var in rollbackRequest
		if err := decodeRequest(r, &in); err != nil {
			answer(w, reply{}, err)
			return
		}
		answer(w, reply{}, c.verbs.Rollback(r.Context(), in.Object, in.Weaker))
	})
	serveClock(mux, c.verbs)
	return mux
}

type keepRequest struct {
	Session uint32 `json:"session"`
	Split   uint32 `json:"split"`
	Keep    bool   `json:"keep"`
}

type retryRequest struct {
	All bool `json:"all"`
}

type rotateRequest struct {
	Final bool `json:"final"`
}

type rollbackRequest struct {
	Object string `json:"object"`
	Weaker bool   `json:"weaker"`
}

type reply struct {
	Error  string `json:"error,omitempty"`
	Sealed string `json:"sealed,omitempty"` // SESSION/SPLIT
	Found  bool   `json:"found,omitempty"`
}

func decodeRequest(r *http.Request, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 4<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("request of %s: %w", r.URL.Path, err)
	}
	return nil
}

func answer(w http.ResponseWriter, out reply, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		out = reply{Error: err.Error()}
		w.WriteHeader(http.StatusConflict)
	}
	_ = json.NewEncoder(w).Encode(out)
}

// peerChecked drops connections of other users before a byte is read.
type peerChecked struct{ *net.UnixListener }

func (l peerChecked) Accept() (net.Conn, error) {
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if uid, err := peerUID(conn); err == nil && (uid == 0 || uid == os.Getuid()) {
			return conn, nil
		}
		conn.Close()
	}
}

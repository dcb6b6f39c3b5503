package appliance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"canseal/segment"
)

// ErrNotRunning says that no daemon answers for a state folder.
var ErrNotRunning = errors.New("no canseald is running here")

// errNotAllowed says that a daemon may run, and does not answer this user.
var errNotAllowed = errors.New("not allowed to ask canseald")

// runtimeSocket is where systemd's RuntimeDirectory=canseal puts the socket.
const runtimeSocket = "/run/canseal/control.sock"

// Client speaks to a running daemon, over its local socket or from afar.
type Client struct {
	http   *http.Client
	stream *http.Client // without a limit of time
}

// Dial finds the daemon that works with a state folder.
func Dial(stateDir string) (*Client, error) {
	path := runtimeSocket
	b, err := os.ReadFile(filepath.Join(stateDir, socketFile))
	if err == nil {
		path = strings.TrimSpace(string(b))
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w (ask as root, or as the user that canseald runs as): %w", errNotAllowed, err)
	}
	conn, err := net.DialTimeout("unix", path, 2*time.Second)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w (ask as root, or as the user that canseald runs as): %w", errNotAllowed, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w (state folder %s; --root and --state name another): %w", ErrNotRunning, stateDir, err)
	}
	conn.Close()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	return newClient(dial), nil
}

// Status returns device.json as it is now.
func (c *Client) Status(ctx context.Context) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://canseald/v1/status", nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(io.LimitReader(resp.Body, 1<<20))
}

// Rotate seals the running segment; it returns its SESSION/SPLIT when the seal
// is written.
func (c *Client) Rotate(ctx context.Context, final bool) (string, error) {
	out, err := c.post(ctx, "/v1/rotate", rotateRequest{final})
	return out.Sealed, err
}

// Keep pins or unpins a segment.
func (c *Client) Keep(ctx context.Context, n segment.Name, keep bool) error {
	_, err := c.post(ctx, "/v1/keep", keepRequest{n.Session, n.Split, keep})
	return err
}

// Retry takes up parked segments again; all: forgets receipts too.
func (c *Client) Retry(ctx context.Context, all bool) error {
	_, err := c.post(ctx, "/v1/retry", retryRequest{all})
	return err
}

// Reload has the daemon read the card again.
func (c *Client) Reload(ctx context.Context) error {
	_, err := c.post(ctx, "/v1/reload", struct{}{})
	return err
}

// Rollback makes the previous version of a file current; weaker: also one that
// is weaker than the present.
func (c *Client) Rollback(ctx context.Context, object string, weaker bool) error {
	_, err := c.post(ctx, "/v1/rollback", rollbackRequest{object, weaker})
	return err
}

func (c *Client) post(ctx context.Context, path string, in any) (out reply, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return out, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://canseald"+path, bytes.NewReader(body))
	if err != nil {
		return out, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&out); err != nil {
		return out, fmt.Errorf("answer of canseald to %s: %w", path, err)
	}
	if out.Error != "" {
		return out, errors.New(out.Error)
	}
	return out, nil
}

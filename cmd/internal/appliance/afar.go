package appliance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"time"

	remote "canseal/link/control"
)

// ReadToken reads the token of a control channel. On systems with modes of files
// nobody else may read it.
func ReadToken(file string) (string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return "", fmt.Errorf("token: %w (both ends have the same; canseal auth-token makes one)", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("token %s: others can read it: chmod 600 it", file)
	}
	b, err := readLimited(file, 4096)
	return string(b), err
}

// DialRemote makes a Client of a daemon's control channel at HOST:PORT.
func DialRemote(ctx context.Context, address, token string) (*Client, error) {
	key, err := remote.NewKey(token)
	if err != nil {
		return nil, err
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		c, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, err
		}
		return remote.Client(c, key)
	}
	first, err := dial(ctx, "", "") // a wrong token is told here, not in the words of HTTP
	if err != nil {
		return nil, err
	}
	first.Close()
	return newClient(dial), nil
}

// newClient asks over connections that dial makes.
func newClient(dial func(ctx context.Context, network, address string) (net.Conn, error)) *Client {
	transport := &http.Transport{DialContext: dial}
	return &Client{http: &http.Client{Transport: transport, Timeout: time.Minute}, stream: &http.Client{Transport: transport}}
}

// Segments lists what is on the card.
func (c *Client) Segments(ctx context.Context) (rows []SegmentRow, err error) {
	return rows, c.get(ctx, "/v1/segments", &rows)
}

// Settings lists the settings that are not the default.
func (c *Client) Settings(ctx context.Context) (rows []SettingRow, err error) {
	return rows, c.get(ctx, "/v1/config", &rows)
}

// CheckConfig tells what is wrong with the card's config.yaml.
func (c *Client) CheckConfig(ctx context.Context) (*CheckResult, error) {
	result := &CheckResult{}
	return result, c.get(ctx, "/v1/config/check", result)
}

// Keys lists the slots that hold a key.
func (c *Client) Keys(ctx context.Context) (rows []KeyRow, err error) {
	return rows, c.get(ctx, "/v1/keys", &rows)
}

// EraseKey erases a key; found is false where there was none.
func (c *Client) EraseKey(ctx context.Context, bus string, device, slot uint8) (found bool, err error) {
	out, err := c.post(ctx, "/v1/keys/erase", eraseRequest{bus, device, slot})
	return out.Found, err
}

// Tail writes frames as they are recorded, until ctx ends.
func (c *Client) Tail(ctx context.Context, w io.Writer, bus, id string, judged bool) error {
	q := url.Values{}
	for key, value := range map[string]string{"bus": bus, "id": id} {
		if value != "" {
			q.Set(key, value)
		}
	}
	if judged {
		q.Set("judged", "true")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://canseald/v1/tail?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	resp, err := c.stream.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return refusal(resp)
	}
	if _, err = io.Copy(w, resp.Body); ctx.Err() != nil {
		return nil
	}
	return err
}

// get asks for JSON.
func (c *Client) get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://canseald"+path, nil)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return refusal(resp)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<20)).Decode(into); err != nil {
		return fmt.Errorf("answer of canseald to %s: %w", path, err)
	}
	return nil
}

// refusal is what a daemon says against a request.
func refusal(resp *http.Response) error {
	var out reply
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&out); err != nil || out.Error == "" {
		return fmt.Errorf("canseald answers %s: it may be older than this program", strings.TrimSpace(resp.Status))
	}
	return errors.New(out.Error)
}

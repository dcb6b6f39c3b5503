package reach

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	stdlog "log"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"canseal/certs"
	"canseal/config"
	"canseal/internal/durable"
	"canseal/internal/mode"
	"canseal/uploader/s3"
)

// Flags say how buckets are reached.
type Flags struct {
	config, endpoint, region, mode string
	bundle, identity               string
	virtual                        bool
}

// Register adds the flags to a command.
func (f *Flags) Register(cmd *cobra.Command) {
	set := cmd.Flags()
	set.StringVar(&f.config, "s3-config", "", "configuration of canseal (`config.yaml`) whose sections upload and tls say how s3:// is reached; its folder has the certificates")
	set.StringVar(&f.endpoint, "endpoint-url", "", "`URL` of the store, http://HOST:PORT or https://HOST:PORT")
	set.StringVar(&f.region, "region", "", "its `region` (default us-east-1)")
	set.StringVar(&f.mode, "s3-mode", "", "low (http), medium (https) or high (https, and this side has a certificate); http is never taken by itself")
	set.StringVar(&f.bundle, "s3-trust", "", "`file` with the certificates that the store is trusted by (default: those of this machine)")
	set.StringVar(&f.identity, "s3-identity", "", "`folder` with device.crt and device.key, for mode high")
	set.BoolVar(&f.virtual, "virtual-host", false, "the bucket is a part of the host name")
}

// Names beside a configuration (docs/formats.md C5).
const (
	bundleFile    = "certs_server.p7b"
	secretFile    = "s3.secret"
	longestConfig = 256 << 10
	longestBundle = 64 << 10
	longestSecret = 4096
)

// Client opens the way to a bucket, by the configuration, then the flags. What the
// command line lacks is a *UsageError.
func (f *Flags) Client(name string) (*s3.Client, error) {
	stdlog.SetOutput(io.Discard) // net/http quotes servers there
	o := s3.Options{Bucket: name, PathStyle: true, AccessKey: os.Getenv("AWS_ACCESS_KEY_ID"), SecretKey: os.Getenv("AWS_SECRET_ACCESS_KEY")}
	rules := certs.TLSOptions{System: true}
	trust, identity := f.bundle, f.identity
	if f.config != "" {
		c, err := f.configured(&o)
		if err != nil {
			return nil, err
		}
		rules = tlsRules(c)
		folder := filepath.Dir(f.config)
		if trust == "" && !rules.System {
			trust = filepath.Join(folder, bundleFile)
		}
		if identity == "" {
			identity = folder
		}
	}
	if err := f.override(&o); err != nil {
		return nil, err
	}
	row, _ := mode.Of(o.Mode)
	if row.Server {
		if err := server(&o, rules, trust); err != nil {
			return nil, err
		}
	}
	if row.Device {
		if identity == "" {
			return nil, usage("mode %s: wanted --s3-identity FOLDER with device.crt and device.key", row.Name)
		}
		o.Identity = func() (*certs.Identity, error) {
			return certs.OpenIdentity(durable.Dir(identity), durable.Dir(stateFolder(identity)), certs.IdentityOptions{})
		}
		if _, err := o.Identity(); err != nil {
			return nil, fmt.Errorf("mode %s: %w", row.Name, err)
		}
	}
	return s3.New(o)
}

// configured takes what a configuration says of the way to the bucket.
func (f *Flags) configured(o *s3.Options) (*config.Config, error) {
	text, err := readFile(f.config, longestConfig)
	if err != nil {
		return nil, err
	}
	c, problems := config.Parse(text)
	if len(problems) > 0 {
		return nil, fmt.Errorf("%s cannot be used as it is: %s", f.config, problems[0].In(f.config))
	}
	u := c.Upload
	if u.Mode != config.ModeOff {
		o.Mode = string(u.Mode)
	}
	o.Endpoint, o.Region, o.PathStyle, o.Proxy, o.Stall = u.Endpoint, u.Region, u.PathStyle, u.Proxy, u.Stall
	o.Profile, o.ResetMeansNoSuite, o.LegacyDHE, o.OpenSSL = c.TLS.Profile, c.TLS.ResetMeansNoSuite, c.TLS.LegacyDHE, c.TLS.OpenSSL
	if u.AccessKey.Named() {
		if o.AccessKey, err = u.AccessKey.Resolve(nil, os.Getenv); err != nil {
			return nil, fmt.Errorf("access_key: %w", err)
		}
	}
	if u.SecretKey.Named() {
		stored := func() ([]byte, error) {
			return readFile(filepath.Join(stateFolder(filepath.Dir(f.config)), secretFile), longestSecret)
		}
		if o.SecretKey, err = u.SecretKey.Resolve(stored, os.Getenv); err != nil {
			return nil, fmt.Errorf("secret_key: %w", err)
		}
	}
	return c, nil
}

// stateFolder is where the secrets of a box lie, beside its card or on it.
func stateFolder(card string) string {
	state := filepath.Join(card, "state")
	if info, err := os.Stat(state); err == nil && info.IsDir() {
		return state
	}
	return card
}

// override lets the flags have the last word. A mode is never guessed downwards.
func (f *Flags) override(o *s3.Options) error {
	if f.endpoint != "" {
		o.Endpoint = f.endpoint
	}
	if f.region != "" {
		o.Region = f.region
	}
	if f.mode != "" {
		o.Mode = f.mode
	}
	if f.virtual {
		o.PathStyle = false
	}
	switch {
	case o.Endpoint == "":
		return usage("wanted --endpoint-url URL of the store, or --s3-config FILE")
	case o.Mode == "" && !strings.HasPrefix(o.Endpoint, "https:"):
		return usage("%s: http is mode low, in which anyone on the path can read and change everything: say --s3-mode low, or take https", o.Endpoint)
	case o.AccessKey == "" || o.SecretKey == "":
		return usage("wanted the keys of the bucket: the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or --s3-config FILE")
	case o.Mode == "":
		o.Mode = mode.Medium
	}
	return nil
}

// server says by what the store is trusted.
func server(o *s3.Options, rules certs.TLSOptions, trust string) error {
	u, err := url.Parse(o.Endpoint)
	if err != nil {
		return usage("--endpoint-url %s: no URL", o.Endpoint)
	}
	rules.ServerName = u.Hostname()
	if trust != "" {
		text, err := readFile(trust, longestBundle)
		if err != nil {
			return err
		}
		o.Bundle, err = certs.LoadBundle(text, certs.BundleOptions{MinRSABits: rules.MinRSABits, Now: time.Now()})
		if err != nil {
			return fmt.Errorf("%s: %w", trust, err)
		}
		if o.Bundle.Cleared {
			return fmt.Errorf("%s is empty: nothing is trusted", trust)
		}
		rules.System = false
	}
	o.TLS = certs.ClientTLS(o.Bundle, rules)
	return nil
}

// tlsRules maps the section tls; pins are base64 of 32 bytes, checked by config.
func tlsRules(c *config.Config) certs.TLSOptions {
	o := certs.TLSOptions{MinRSABits: c.TLS.MinRSABits, System: c.TLS.Trust == "system", AllowCN: c.TLS.AllowCNForPinnedLeaf}
	for _, text := range c.TLS.PinSHA256 {
		var pin [sha256.Size]byte
		if b, err := base64.StdEncoding.DecodeString(text); err == nil {
			copy(pin[:], b)
		}
		o.Pins = append(o.Pins, pin)
	}
	return o
}

// UsageError is an error of the command line.
type UsageError struct{ Text string }

func (e *UsageError) Error() string { return e.Text }

func usage(format string, args ...any) error { return &UsageError{fmt.Sprintf(format, args...)} }

func readFile(name string, limit int64) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("read %s: %d bytes, wanted at most %d", name, info.Size(), limit)
	}
	return os.ReadFile(name)
}

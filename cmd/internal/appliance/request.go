package appliance

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"os"
	"time"

	"canseal/certs"
	"canseal/config"
	"canseal/internal/clock"
	"canseal/internal/durable"
	"canseal/segment"
	"canseal/uploader/s3"
)

// CertificateRequest is a request for a device's certificate.
type CertificateRequest struct {
	Device string
	PEM    []byte
	// Signature over PEM by the certificate in use, CMS in DER; nil where there
	// is none yet.
	Signature []byte
	State     string // the state folder
	Key       string // the key's file in it
	Made      bool   // it was made now
}

// RequestCertificate asks for a certificate for the device of a card. The key
// is made in the state folder where there is none, or fresh beside the present
// one, which stays in use until a certificate for the new one is on the card. A
// state folder that is named is made where it is absent; the one on the card,
// where keys do not belong, is not.
func RequestCertificate(o Options, kind certs.KeyKind, fresh bool) (*CertificateRequest, error) {
	card := durable.Dir(o.Root)
	s, err := loadSettings(card, o)
	if err != nil {
		return nil, err
	}
	dir := StateDir(o.Root, o.StateDir)
	if o.StateDir == "" {
		err = stateThere(dir)
	} else {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	state := durable.Dir(dir)
	device, err := deviceOf(card, state, s)
	if err != nil {
		return nil, err
	}
	present, presentErr := certs.OpenIdentity(card, state, certs.IdentityOptions{Now: time.Now})
	r := &CertificateRequest{Device: device, State: dir, Key: certs.DeviceKey}
	if fresh {
		r.Key = certs.NextKey
	}
	if fresh && presentErr == nil && present.Key == certs.NextKey {
		if err := certs.SettleKey(state); err != nil {
			return nil, err
		}
	}
	key, err := r.key(dir, state, kind)
	if err != nil {
		return nil, err
	}
	if r.PEM, err = certs.Request(key, device); err != nil {
		return nil, err
	}
	if presentErr == nil {
		r.Signature, err = certs.SignDetached(r.PEM, present.Leaf, present.Signer)
	}
	return r, err
}

// key takes the key of the request, or makes it.
func (r *CertificateRequest) key(dir string, state durable.FS, kind certs.KeyKind) (crypto.Signer, error) {
	key, err := certs.LoadKey(state, r.Key)
	var e *certs.IdentityError
	if err == nil || !errors.As(err, &e) || e.Reason != certs.IdentityNoKey {
		return key, err
	}
	if key, err = certs.MakeKey(state, r.Key, kind); err != nil {
		return nil, err
	}
	r.Made = true
	return key, giveToOwner(dir, r.Key)
}

// deviceOf is the DEVICEID of a card.
func deviceOf(card, state durable.FS, s *settings) (string, error) {
	id := knownDevice(card, state, s)
	if _, err := segment.ParseDevice(id); err != nil {
		return "", WithExit(ExitConfig, errWhichDevice)
	}
	return id, nil
}

var errWhichDevice = errors.New("which device is this? start canseald once with this card, or set device.id")

// ServerOptions name a server to look at, besides what the card says.
type ServerOptions struct {
	Endpoint string // empty: the card's
	Bundle   string // a file; empty: the card's
}

// CheckServer makes one handshake with the store of a card, or with the server
// named, and sends no request.
func CheckServer(ctx context.Context, o Options, server ServerOptions) (s3.Report, error) {
	options, err := serverOptions(o, server)
	if err != nil {
		return s3.Report{}, err
	}
	return s3.Handshake(ctx, options)
}

func serverOptions(o Options, server ServerOptions) (s3.Options, error) {
	card := durable.Dir(o.Root)
	s, err := loadSettings(card, o)
	if server.Bundle != "" && server.Endpoint != "" && err != nil {
		s, err = &settings{Config: &config.Config{}}, nil // a server and a bundle need no card
	}
	if err != nil {
		return s3.Options{}, err
	}
	if server.Endpoint != "" {
		s.Upload.Endpoint = server.Endpoint
	}
	if !s.Upload.Mode.Row().Server {
		s.Upload.Mode = config.ModeMedium // look at the server before going there
	}
	state := durable.Dir(StateDir(o.Root, o.StateDir))
	_, trustFloor, _ := clock.Load(state) // without it the build time is the floor
	c := clock.New(clock.Options{Trust: trustFloor})
	out := s3.Options{Endpoint: s.Upload.Endpoint, Mode: string(s.Upload.Mode), Proxy: s.Upload.Proxy, Now: c.TrustedNow, Memory: s3.OpenMemory(state, false, nil)}
	if out.Bundle, err = serverTrust(s, card, server.Bundle, c, &out); err != nil {
		return out, err
	}
	if s.Upload.Mode.Row().Device {
		out.Identity = identityOf(s, card, state, c)
	}
	return out, nil
}

// serverTrust is trust, with a bundle that may be a file of any name.
func serverTrust(s *settings, card durable.FS, file string, c *clock.Clock, o *s3.Options) (*certs.Bundle, error) {
	if file == "" {
		return trust(s.Config, card, c, o)
	}
	text, err := readLimited(file, 64<<10)
	if err != nil {
		return nil, err
	}
	b, err := certs.LoadBundle(text, certs.BundleOptions{MinRSABits: s.TLS.MinRSABits, WarnDuplicateIssuer: s.TLS.DuplicateIssuer == "warn", Now: c.TrustedNow()})
	if err != nil {
		return b, fmt.Errorf("%s: %w", file, err)
	}
	o.TLS = certs.ClientTLS(b, tlsOptions(s.Config, c.TrustedNow))
	profile(s.Config, o)
	return b, nil
}

package s3_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"canseal/certs"
	"canseal/internal/s3test"
	"canseal/uploader"
	"canseal/uploader/s3"
)

// meddler is a man on the path: before one record of the server he puts an
// alert of his own, in plain text, since he has no key.
type meddler struct {
	net.Conn
	alert byte
	at    func(kind byte, n int) bool // for the server's nth record, from 1
	n     int
	rest  bytes.Buffer
	done  bool
}

func (m *meddler) Read(p []byte) (int, error) {
	if m.rest.Len() == 0 {
		head := make([]byte, 5)
		if _, err := io.ReadFull(m.Conn, head); err != nil {
			return 0, err
		}
		m.n++
		if !m.done && m.at(head[0], m.n) {
			m.done = true
			m.rest.Write([]byte{21, 3, 3, 0, 2, 2, m.alert})
		}
		m.rest.Write(head)
		if _, err := io.CopyN(&m.rest, m.Conn, int64(binary.BigEndian.Uint16(head[3:]))); err != nil {
			return 0, err
		}
	}
	return m.rest.Read(p)
}

// A man on the path can utter every alert by which a server refuses a device.
// He is believed nowhere that stops more than he could stop anyway.
func TestForgedAlertsRefuseNoDevice(t *testing.T) {
	now := time.Now()
	p, d := newPKI(t), newDevices(t, now)
	pool := x509.NewCertPool()
	pool.AddCert(d.authority.Certificate)
	const handshake, spec, data = 22, 20, 23
	for name, row := range map[string]struct {
		version uint16
		at      func(kind byte, n int) bool
		want    uploader.Class
	}{
		"TLS 1.2, before the server's certificate": {tls.VersionTLS12, func(_ byte, n int) bool { return n == 1 }, uploader.Network},
		"TLS 1.2, after the device's":              {tls.VersionTLS12, func(kind byte, _ int) bool { return kind == spec }, uploader.IdentitySuspected},
		"TLS 1.2, in place of the answer":          {tls.VersionTLS12, func(kind byte, _ int) bool { return kind == data }, uploader.Network},
		"TLS 1.3, before the server's certificate": {tls.VersionTLS13, func(kind byte, _ int) bool { return kind == handshake }, uploader.Network},
		"TLS 1.3, within the server's flight":      {tls.VersionTLS13, func(kind byte, _ int) bool { return kind == data }, uploader.Network},
		"TLS 1.3, after the handshake":             {tls.VersionTLS13, func(kind byte, n int) bool { return kind == data && n > 6 }, uploader.Network},
	} {
		for _, alert := range []byte{44, 48, 116} {
			store, err := s3test.New(s3test.Options{
				Keys: map[string]string{access: secret}, Buckets: []string{bucket},
				TLS: &tls.Config{Certificates: []tls.Certificate{p.server}, MinVersion: row.version, MaxVersion: row.version}, Devices: &s3test.Devices{Authorities: pool},
			})
			must(t, err)
			met := false
			c := world{url: store.URL, mode: "medium", bundle: p.bundle}.client(t, func(o *s3.Options) {
				o.Mode, o.Identity = "high", func() (*certs.Identity, error) { return d.identity["good"], nil }
				o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
					conn, err := new(net.Dialer).DialContext(ctx, network, address)
					at := func(kind byte, n int) bool { yes := row.at(kind, n); met = met || yes; return yes }
					return &meddler{Conn: conn, alert: alert, at: at}, err
				}
			})
			_, err = c.Replace(t.Context(), object(key, random(10)))
			if got := uploader.ClassOf(err); err == nil || got != row.want || !met {
				t.Errorf("%s, alert %d: found %v, wanted class %s; met %v", name, alert, err, row.want, met)
			}
			if uploader.RuleOf(uploader.ClassOf(err)).Action != uploader.Retry {
				t.Errorf("%s, alert %d: %s stops the flow", name, alert, uploader.ClassOf(err))
			}
			c.Close()
			store.Close()
		}
	}
}

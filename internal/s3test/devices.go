package s3test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"time"
)

// Devices makes a store over https want certificates of its clients.
type Devices struct {
	Authorities *x509.CertPool // who may issue them
	// Revoked names certificates that are shut out, at any depth; nil: none.
	// It is called by several goroutines.
	Revoked func(*x509.Certificate) bool
	// Page lets every handshake succeed and refuses with status 400 and a page
	// of HTML, as nginx does. Otherwise the handshake fails with an alert.
	Page bool
}

// configure adds the wish for certificates to a server's configuration.
func (d *Devices) configure(c *tls.Config) {
	if d.Page {
		c.ClientAuth = tls.RequestClientCert
		return
	}
	c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, d.Authorities
	c.VerifyConnection = func(s tls.ConnectionState) error { return d.judge(s.PeerCertificates) }
}

var errShutOut = errors.New("the client's certificate is revoked")

// judge verifies a client's chain and looks for it on the list.
func (d *Devices) judge(peer []*x509.Certificate) error {
	if len(peer) == 0 {
		return errors.New("no client certificate")
	}
	o := x509.VerifyOptions{Roots: d.Authorities, Intermediates: x509.NewCertPool(), CurrentTime: time.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	for _, c := range peer[1:] {
		o.Intermediates.AddCert(c)
	}
	chains, err := peer[0].Verify(o)
	if err != nil {
		return err
	}
	for _, c := range chains[0] {
		if d.Revoked != nil && d.Revoked(c) {
			return errShutOut
		}
	}
	return nil
}

// turnedAway answers with nginx's page where a client may not in, and tells so.
func (d *Devices) turnedAway(w http.ResponseWriter, r *http.Request) bool {
	if d == nil || !d.Page || r.TLS == nil || d.judge(r.TLS.PeerCertificates) == nil {
		return false
	}
	w.Header().Set("Content-Type", "text/html")
	w.Header().Set("Connection", "close")
	w.WriteHeader(http.StatusBadRequest)
	w.Write([]byte("<html><head><title>400 The SSL certificate error</title></head></html>\r\n"))
	return true
}

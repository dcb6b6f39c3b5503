package probe

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/pion/dtls/v3"
)

// Identity is who an end is, and whom it trusts.
type Identity struct {
	Certificate tls.Certificate  // with its key
	Roots       *x509.CertPool   // those of the other side
	Now         func() time.Time // of certificates; nil: the clock
}

const (
	mtuSerial      = 256 // of handshakes
	mtuUDP         = 1200
	recordSerial   = 300  // of data: 16 classic frames, and a record of 26 ms at 115,200 baud
	handshakeBytes = 1900 // that both sides send in a handshake, about
	handshakeLimit = time.Minute
	tellAfter      = 100 * time.Millisecond
	askBytes       = 80 // of an ask on the line, about
	replayWindow   = 256

	mostRecords = 1 << 23        // of an association
	mostAge     = 24 * time.Hour // of an association
)

// transport is how datagrams go.
type transport struct {
	net.PacketConn
	mtu    int
	record int           // bytes of a datagram with data
	flight time.Duration // before a flight of the handshake is sent again
	tell   time.Duration // before a probe is told what has come
}

// overUDP and overLine say what the two kinds of transport are like.
func overUDP(c net.PacketConn) transport {
	return transport{c, mtuUDP, mtuUDP, 400 * time.Millisecond, tellAfter}
}

func overLine(l *Line) transport {
	return transport{l, mtuSerial, recordSerial, max(400*time.Millisecond, l.takes(handshakeBytes)*3/2), min(time.Second, max(tellAfter, 20*l.takes(askBytes)))}
}

// room is for how large a message there is room in a datagram.
func (t transport) room() int {
	const overhead = recordHead + idSize + 8 + 1 + 16 // head, nonce, type, tag
	return t.record - overhead
}

// both are the options that both sides of an association have in common: DTLS
// 1.2 with ECDHE-ECDSA and AES-GCM, extended master secret, connection ids. The
// other side's certificate is verified by a clock of our own, so the library
// leaves that to WithVerifyConnection.
func (i *Identity) both(t transport, verify func(*x509.Certificate) error, usage x509.ExtKeyUsage, id func() []byte) []dtls.Option {
	return []dtls.Option{
		dtls.WithCertificates(i.Certificate),
		dtls.WithCipherSuites(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithInsecureSkipVerify(true),
		dtls.WithVerifyConnection(func(s *dtls.State) error { return i.verify(s.PeerCertificates, verify, usage) }),
		dtls.WithFlightInterval(t.flight),
		dtls.WithMTU(t.mtu),
		dtls.WithReplayProtectionWindow(replayWindow),
		dtls.WithConnectionIDGenerator(id),
	}
}

// server are the options of the logger's side.
func (i *Identity) server(t transport, verify func(*x509.Certificate) error, id func() []byte) []dtls.ServerOption {
	all := []dtls.ServerOption{dtls.WithClientAuth(dtls.RequireAnyClientCert)} // and verified as both says
	for _, o := range i.both(t, verify, x509.ExtKeyUsageClientAuth, id) {
		all = append(all, o)
	}
	return all
}

// client are the options of the probe's side.
func (i *Identity) client(t transport, verify func(*x509.Certificate) error, id func() []byte) (all []dtls.ClientOption) {
	for _, o := range i.both(t, verify, x509.ExtKeyUsageServerAuth, id) {
		all = append(all, o)
	}
	return all
}

// verify checks the other side's certificate: its way to a root, its time, what
// it is for, and whatever verify wants.
func (i *Identity) verify(chain [][]byte, verify func(*x509.Certificate) error, usage x509.ExtKeyUsage) error {
	if len(chain) == 0 {
		return errors.New("the other side has no certificate")
	}
	between := x509.NewCertPool()
	var leaf *x509.Certificate
	for n, der := range chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("certificate of the other side: %w", err)
		}
		if n == 0 {
			leaf = c
		} else {
			between.AddCert(c)
		}
	}
	now := time.Now
	if i.Now != nil {
		now = i.Now
	}
	o := x509.VerifyOptions{Roots: i.Roots, Intermediates: between, CurrentTime: now(), KeyUsages: []x509.ExtKeyUsage{usage}}
	if _, err := leaf.Verify(o); err != nil {
		return fmt.Errorf("certificate %s: %w", names(leaf), err)
	}
	return verify(leaf)
}

// names are the names of a certificate, quoted: its alternative names, else its
// common name.
func names(c *x509.Certificate) string { return fmt.Sprintf("%+q", namesOf(c)) }

func namesOf(c *x509.Certificate) []string {
	if len(c.DNSNames) > 0 {
		return c.DNSNames
	}
	return []string{c.Subject.CommonName}
}

// Fingerprint is the SHA-256 of a certificate in hex, as lists of refused ones
// have it.
func Fingerprint(c *x509.Certificate) string { return hex.EncodeToString(digest(c.Raw)) }

// newID makes a connection id.
func newID() []byte {
	id := make([]byte, idSize)
	_, _ = rand.Read(id) // never fails
	return id
}

// oneOf takes the first of some names that is known.
func oneOf(have []string, known func(string) bool) (string, bool) {
	i := slices.IndexFunc(have, known)
	if i < 0 {
		return "", false
	}
	return have[i], true
}

// shake does a handshake within its limit; the connection is closed if it
// fails.
func shake(ctx context.Context, c *dtls.Conn) error {
	ctx, stop := context.WithTimeout(ctx, handshakeLimit)
	defer stop()
	if err := c.HandshakeContext(ctx); err != nil {
		c.Close()
		return err
	}
	return nil
}

func digest(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}

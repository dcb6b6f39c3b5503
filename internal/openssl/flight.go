package openssl

import (
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
)

// Kinds of records and handshake messages (RFC 5246 6.2.1, 7.4).
const (
	recordSpec      = 20 // ChangeCipherSpec
	recordAlert     = 21
	recordHandshake = 22

	helloDone = 14

	maxPlain   = 1 << 14          // bytes of a record that is not encrypted
	maxRecord  = maxPlain + 2<<10 // and of one that is
	maxMessage = 64 << 10
	maxFlight  = 128 << 10
	maxChain   = 10 // certificates
)

// Flight is what a server of TLS 1.2 says before anything is encrypted.
type Flight struct {
	Suite        uint16
	Certificates []*x509.Certificate // its own first
	Bits         int                 // of the DH group
	// Asked is what the server wants of our certificate; nil: it does not ask
	// for one.
	Asked *tls.CertificateRequestInfo
}

// Alert is one that the other side has sent. It arrives in a *net.OpError with
// Op "remote error", as crypto/tls has it.
type Alert uint8

func (a Alert) Error() string { return fmt.Sprintf("alert %d", uint8(a)) }

// refusal returns the error that an alert record stands for, nil for a warning.
func refusal(body []byte) error {
	switch {
	case len(body) != 2:
		return errors.New("an alert of a wrong length")
	case body[1] == 0:
		return io.EOF
	case body[0] == 1:
		return nil
	}
	return &net.OpError{Op: "remote error", Err: Alert(body[1])}
}

// readRecord reads one record, head and all.
func readRecord(r io.Reader, limit int) ([]byte, error) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(head[3:]))
	if head[0] < recordSpec || head[0] > 23 || head[1] != 3 || n > limit {
		e := tls.RecordHeaderError{Msg: "the first bytes are no TLS record"}
		copy(e.RecordHeader[:], head)
		return nil, e
	}
	record := append(head, make([]byte, n)...)
	if _, err := io.ReadFull(r, record[5:]); err != nil {
		return nil, io.ErrUnexpectedEOF
	}
	return record, nil
}

// reader takes handshake messages out of records.
type reader struct {
	in   io.Reader
	wire []byte // all records so far
	hand []byte // of handshake messages, not yet taken
}

// readFlight reads up to ServerHelloDone. It returns the bytes as they came, too.
// Messages that are missing, twice, or out of order are refused, and so is a
// suite that was not offered.
func readFlight(in io.Reader, offered func(suite uint16) bool) (*Flight, []byte, error) {
	r, f := &reader{in: in}, new(Flight)
	next := 0
	for {
		kind, body, err := r.message()
		if err != nil {
			return nil, nil, err
		}
		if kind == helloDone && next >= 3 && len(body) == 0 && len(r.hand) == 0 {
			return f, r.wire, nil
		}
		if next >= len(order) || order[next].kind != kind {
			return nil, nil, fmt.Errorf("handshake message %d has no place here", kind)
		}
		m := &fields{b: body}
		order[next].read(f, m)
		if m.short || len(m.b) != 0 && kind != 12 { // a signature follows the DH parameters
			return nil, nil, fmt.Errorf("handshake message %d of a wrong form", kind)
		}
		if m.err != nil {
			return nil, nil, m.err
		}
		if next == 0 && !offered(f.Suite) {
			return nil, nil, fmt.Errorf("the server chose suite %04X, which was not offered", f.Suite)
		}
		next++
	}
}

func (r *reader) message() (kind byte, body []byte, err error) {
	for {
		if len(r.hand) >= 4 {
			n := int(r.hand[1])<<16 | int(r.hand[2])<<8 | int(r.hand[3])
			if n > maxMessage {
				return 0, nil, fmt.Errorf("a handshake message of %d bytes, at most %d are read", n, maxMessage)
			}
			if len(r.hand) >= 4+n {
				kind, body, r.hand = r.hand[0], r.hand[4:4+n], r.hand[4+n:]
				return kind, body, nil
			}
		}
		if err := r.record(); err != nil {
			return 0, nil, err
		}
	}
}

func (r *reader) record() error {
	record, err := readRecord(r.in, maxPlain)
	if err != nil {
		return err
	}
	if r.wire = append(r.wire, record...); len(r.wire) > maxFlight {
		return fmt.Errorf("more than %d bytes before the end of the server's first words", maxFlight)
	}
	switch record[0] {
	case recordHandshake:
		r.hand = append(r.hand, record[5:]...)
		return nil
	case recordAlert:
		return refusal(record[5:])
	}
	return fmt.Errorf("a record of kind %d has no place here", record[0])
}

// order is that of the messages; the request for a certificate may be missing.
var order = []struct {
	kind byte
	read func(f *Flight, m *fields)
}{
	{2, readHello}, {11, readChain}, {12, readGroup}, {13, readAsked},
}

func readHello(f *Flight, m *fields) {
	version := m.number(2)
	m.bytes(32)
	m.bytes(m.number(1))
	f.Suite = uint16(m.number(2))
	if m.number(1) != 0 || version != tls.VersionTLS12 {
		m.fail(errors.New("the server wants another version than TLS 1.2, or compression"))
	}
	m.b = nil // extensions are openssl's
}

func readChain(f *Flight, m *fields) {
	list := &fields{b: m.bytes(m.number(3))}
	for len(list.b) > 0 && !list.short && m.err == nil {
		c, err := x509.ParseCertificate(list.bytes(list.number(3)))
		if err != nil {
			m.fail(fmt.Errorf("the server's certificate: %w", err))
		} else if k, ok := c.PublicKey.(*rsa.PublicKey); ok && k.N.BitLen() > mostRSA {
			m.fail(fmt.Errorf("an RSA key of %d bits, at most %d are worked with", k.N.BitLen(), mostRSA))
		}
		if f.Certificates = append(f.Certificates, c); len(f.Certificates) > maxChain {
			m.fail(fmt.Errorf("more than %d certificates", maxChain))
		}
	}
	m.short = m.short || list.short || len(f.Certificates) == 0
}

func readGroup(f *Flight, m *fields) {
	p := m.bytes(m.number(2)) // the prime
	m.bytes(m.number(2))      // the generator
	m.bytes(m.number(2))      // the server's share
	if f.Bits = new(big.Int).SetBytes(p).BitLen(); f.Bits < leastBits {
		m.fail(fmt.Errorf("a DH group of %d bits, at least %d are wanted", f.Bits, leastBits))
	}
}

const (
	leastBits = 2048 // of a DH group
	mostRSA   = 8192 // as in crypto/tls: larger ones only cost time
)

func readAsked(f *Flight, m *fields) {
	m.bytes(m.number(1)) // kinds of keys: the signatures say more
	schemes := &fields{b: m.bytes(m.number(2))}
	f.Asked = &tls.CertificateRequestInfo{Version: tls.VersionTLS12}
	for len(schemes.b) > 0 && !schemes.short {
		f.Asked.SignatureSchemes = append(f.Asked.SignatureSchemes, tls.SignatureScheme(schemes.number(2)))
	}
	m.bytes(m.number(2)) // names of authorities
	m.short = m.short || schemes.short
}

// fields reads big-endian numbers and runs of bytes; what is not there is zero,
// and noted.
type fields struct {
	b     []byte
	short bool
	err   error // the first
}

func (m *fields) fail(err error) {
	if m.err == nil {
		m.err = err
	}
}

func (m *fields) bytes(n int) []byte {
	if n > len(m.b) {
		m.short, m.b = true, nil
		return nil
	}
	taken := m.b[:n]
	m.b = m.b[n:]
	return taken
}

func (m *fields) number(size int) (n int) {
	for _, b := range m.bytes(size) {
		n = n<<8 | int(b)
	}
	return n
}

package s3_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"canseal/certs"
	"canseal/internal/durable"
	"canseal/internal/durable/memfs"
	"canseal/internal/s3test"
	"canseal/uploader"
	"canseal/uploader/s3"
)

// rsaPKI is a server with an RSA key, as the nine suites want it.
func rsaPKI(t testing.TB) pki {
	t.Helper()
	a, err := certs.NewAuthority("test root", time.Now(), 90*day)
	must(t, err)
	return pki{bundleOf(t, a.Certificate), rsaServer(t, a, "127.0.0.1")}
}

func rsaServer(t testing.TB, a *certs.Authority, name string) tls.Certificate {
	t.Helper()
	key, err := certs.NewKey(certs.KeyRSA2048)
	must(t, err)
	leaf, err := a.Sign(key.Public(), certs.Leaf{Name: name, Names: []string{name}, Server: true, Life: 60 * day}, time.Now())
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

// counted counts connections to an endpoint, each of which change may alter.
func counted(n *atomic.Int32, change func(n int32, c net.Conn) net.Conn) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		if at := n.Add(1); err == nil && change != nil {
			c = change(at, c)
		}
		return c, err
	}
}

func (p pki) at(address, profile string) s3.Options {
	o := world{url: "https://" + address, mode: "medium", bundle: p.bundle}.options()
	o.Profile = profile
	return o
}

// Each of the nine suites is met by a server that knows no other; the three of
// DHE with openssl alone, and without it they are named.
func TestNineSuitesOneAtATime(t *testing.T) {
	p := rsaPKI(t)
	for _, suite := range certs.Suites() {
		server := openssl(t, p.server, "-tls1_2", "-cipher", suite.OpenSSL)
		for _, dhe := range []bool{true, false} {
			var dials atomic.Int32
			o := p.at(server.address, "canedge")
			o.LegacyDHE, o.Dial = dhe, counted(&dials, nil)
			report, err := s3.Handshake(t.Context(), o)
			want, groups := int32(suite.Group), "; of the nine suites 6/9 built in, 3/9 through openssl: disabled"
			if dhe {
				want, groups = int32(2*suite.Group-1), "; of the nine suites 6/9 built in, 3/9 through openssl: enabled"
				if suite.Exchange == certs.ExchangeDHE {
					want++
				}
			} else if suite.Exchange == certs.ExchangeDHE {
				want = 3 // all there are
				wantClass(t, err, uploader.Config)
				if !strings.Contains(err.Error(), groups) {
					t.Errorf("%s: %v", suite.Name, err)
				}
			}
			if dials.Load() != want || !strings.HasSuffix(report.Groups, groups) {
				t.Errorf("%s, DHE %v: %d attempts, wanted %d; %s", suite.Name, dhe, dials.Load(), want, report.Groups)
			}
			if dhe || suite.Exchange != certs.ExchangeDHE {
				if err != nil || report.Suite != suite.Name || report.Version != "TLS 1.2" || len(report.Chain) == 0 {
					t.Errorf("%s, DHE %v: %s %s, %v", suite.Name, dhe, report.Version, report.Suite, err)
				}
			}
		}
	}
}

// Profile compat reaches every one of the nine too, with three hellos at most;
// profile modern only what is forward secret and authenticated.
func TestProfilesAgainstOneSuite(t *testing.T) {
	p := rsaPKI(t)
	for _, suite := range certs.Suites() {
		server := openssl(t, p.server, "-tls1_2", "-cipher", suite.OpenSSL)
		o := p.at(server.address, "compat")
		o.LegacyDHE = true
		if report, err := s3.Handshake(t.Context(), o); err != nil || report.Suite != suite.Name {
			t.Errorf("compat, %s: %s, %v", suite.Name, report.Suite, err)
		}
		_, err := s3.Handshake(t.Context(), p.at(server.address, "modern"))
		if modern := suite.OpenSSL == "ECDHE-RSA-AES128-GCM-SHA256"; modern != (err == nil) || !modern && uploader.ClassOf(err) != uploader.Config {
			t.Errorf("modern, %s: %v", suite.Name, err)
		}
	}
}

// What leads to the next attempt, and what does not.
func TestOnlyNoSuiteLeadsToTheNextAttempt(t *testing.T) {
	p, other := rsaPKI(t), rsaPKI(t)
	alert := func(n byte) func(net.Conn) {
		return func(c net.Conn) { hello(c); c.Write([]byte{21, 3, 3, 0, 2, 2, n}); io.Copy(io.Discard, c) }
	}
	over := func(conf *tls.Config) func(net.Conn) {
		return func(c net.Conn) { tls.Server(c, conf).Handshake(); io.Copy(io.Discard, c) }
	}
	cut := func(c net.Conn) { hello(c) }
	for name, row := range map[string]struct {
		serve func(net.Conn)
		reset bool
		dials int32
		want  uploader.Class
	}{
		"alert 40":                        {alert(40), false, 3, uploader.Config},
		"alert 71":                        {alert(71), false, 3, uploader.Config},
		"alert 70":                        {alert(70), false, 1, uploader.Config},
		"alert 42":                        {alert(42), false, 1, uploader.Network},
		"alert 43":                        {alert(43), false, 1, uploader.Network},
		"alert 44":                        {alert(44), false, 1, uploader.Network},
		"alert 45":                        {alert(45), false, 1, uploader.Network},
		"alert 46":                        {alert(46), false, 1, uploader.Network},
		"alert 48":                        {alert(48), false, 1, uploader.Network},
		"alert 80":                        {alert(80), false, 1, uploader.Network},
		"alert 116":                       {alert(116), false, 1, uploader.Network},
		"alert 42, where a cut counts":    {alert(42), true, 1, uploader.Network},
		"cut":                             {cut, false, 1, uploader.Network},
		"cut, which counts":               {cut, true, 3, uploader.Network},
		"plain HTTP":                      {func(c net.Conn) { hello(c); io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") }, true, 1, uploader.Config},
		"silence":                         {func(c net.Conn) { io.Copy(io.Discard, c) }, true, 1, uploader.Network},
		"only TLS 1.3":                    {over(&tls.Config{Certificates: []tls.Certificate{p.server}, MinVersion: tls.VersionTLS13}), true, 1, uploader.Config},
		"only TLS 1.1":                    {over(&tls.Config{Certificates: []tls.Certificate{p.server}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}), true, 1, uploader.Config},
		"a certificate of somebody else":  {over(serving(other.server, tls.TLS_RSA_WITH_AES_128_CBC_SHA)), true, 1, uploader.Trust},
		"a suite that nobody has offered": {func(c net.Conn) { hello(c); c.Write(chosen(0x0005)); io.Copy(io.Discard, c) }, true, 1, uploader.Network},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			must(t, err)
			defer l.Close()
			go func() {
				for c, err := l.Accept(); err == nil; c, err = l.Accept() {
					go func() { row.serve(c); c.Close() }()
				}
			}()
			var dials atomic.Int32
			o := p.at(l.Addr().String(), "canedge")
			o.ResetMeansNoSuite, o.Dial = row.reset, counted(&dials, nil)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			if name == "silence" {
				ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
			}
			defer cancel()
			_, err = s3.Handshake(ctx, o)
			if dials.Load() != row.dials {
				t.Errorf("%d attempts, wanted %d: %v", dials.Load(), row.dials, err)
			}
			wantClass(t, err, row.want)
		})
	}
}

func hello(c net.Conn) { c.Read(make([]byte, 4096)) }

// chosen is a ServerHello of TLS 1.2 with a suite.
func chosen(suite uint16) []byte {
	body := append([]byte{3, 3}, make([]byte, 32)...)
	body = append(body, 0, byte(suite>>8), byte(suite), 0, 0, 0)
	message := append([]byte{2, 0, 0, byte(len(body))}, body...)
	return append([]byte{22, 3, 3, 0, byte(len(message))}, message...)
}

func serving(c tls.Certificate, suites ...uint16) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{c}, CipherSuites: suites, MaxVersion: tls.VersionTLS12}
}

// Once the server has shown its certificate, no word of a man on the path leads
// to a weaker attempt.
func TestNoStepAfterTheCertificate(t *testing.T) {
	p := rsaPKI(t)
	store, err := s3test.New(s3test.Options{Keys: map[string]string{access: secret}, Buckets: []string{bucket}, TLS: serving(p.server)})
	must(t, err)
	defer store.Close()
	for _, profile := range []string{"compat", "canedge"} {
		for _, alert := range []byte{40, 71} {
			var dials atomic.Int32
			o := p.at(strings.TrimPrefix(store.URL, "https://"), profile)
			o.ResetMeansNoSuite = true
			o.Dial = counted(&dials, func(_ int32, c net.Conn) net.Conn {
				return &meddler{Conn: c, alert: alert, at: func(kind byte, n int) bool { return n > 2 }}
			})
			_, err := s3.Handshake(t.Context(), o)
			if err == nil || dials.Load() != 1 || uploader.ClassOf(err) != uploader.Network {
				t.Errorf("%s, alert %d: %d attempts, %v", profile, alert, dials.Load(), err)
			}
		}
	}
}

// box is a device that keeps its memory of groups, with a clock of its own.
type box struct {
	state  durable.FS
	now    time.Time
	events []string
}

func (b *box) client(t *testing.T, o s3.Options) *s3.Client {
	t.Helper()
	o.Memory, o.Now = s3.OpenMemory(b.state, true, nil), func() time.Time { return b.now }
	o.Event = func(kind, what string, _ uint8, detail map[string]any) { b.events = append(b.events, kind+" "+what) }
	c, err := s3.New(o)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// A man on the path who has the server's word for "no suite in common", for a
// week and through restarts: a weaker attempt waits for three refusals over an
// hour, and one that ends without forward secrecy is closed before a request.
func TestForwardSecrecyIsNotGivenUp(t *testing.T) {
	p := rsaPKI(t)
	conf := serving(p.server, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256)
	store, err := s3test.New(s3test.Options{Keys: map[string]string{access: secret}, Buckets: []string{bucket}, TLS: &tls.Config{
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			c := conf.Clone()
			c.NextProtos = []string{"http/1.1"}
			return c, nil
		},
	}})
	must(t, err)
	defer store.Close()
	for _, profile := range []string{"compat", "canedge"} {
		conf.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
		b := &box{state: memfs.New(), now: time.Now()}
		o := p.at(strings.TrimPrefix(store.URL, "https://"), profile)
		_, err = b.client(t, o).Replace(t.Context(), object(key, random(10)))
		must(t, err)
		before := len(store.Requests())

		// The server now knows one suite alone, and he says 40 to the first hello
		// of each walk.
		conf.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}
		var dials, walk, most atomic.Int32
		o.Dial = counted(&dials, func(_ int32, c net.Conn) net.Conn {
			most.Store(max(most.Load(), walk.Add(1)))
			return &meddler{Conn: c, alert: 40, at: func(_ byte, n int) bool { return n == 1 && walk.Load() == 1 }}
		})
		for try := range 12 { // five days
			walk.Store(0)
			c := b.client(t, o)
			_, err = c.Replace(t.Context(), object(key, random(10)))
			wantClass(t, err, uploader.Config)
			if profile == "compat" && try < 2 && most.Load() != 1 {
				t.Fatalf("after %d tries %d attempts in one walk", try, most.Load())
			}
			if b.now = b.now.Add(29 * time.Minute); try > 3 {
				b.now = b.now.Add(14 * time.Hour)
			}
		}
		if most.Load() < 2 || !strings.Contains(err.Error(), "forward secret") && !strings.Contains(err.Error(), "no cipher suite") {
			t.Errorf("%s: %d attempts in one walk; %v", profile, most.Load(), err)
		}
		if n := len(store.Requests()) - before; n != 0 {
			t.Errorf("%s: %d requests left over a connection that is not forward secret", profile, n)
		}
		if len(b.events) == 0 || b.events[0] != "tls downgrade refused" {
			t.Errorf("%s: events %q", profile, b.events)
		}
		// Another bundle is another memory: an operator has been there.
		o.Dial, o.Bundle = nil, bundleOf(t, p.bundle.Certificates[0].X509, rsaPKI(t).bundle.Certificates[0].X509)
		_, err = b.client(t, o).Replace(t.Context(), object(key, random(10)))
		must(t, err)
	}
}

// A server that gives up its better suites is followed after an hour of
// refusals, with an event, and as soon as it is better again, without.
func TestAWeakerAttemptIsSlowAndTold(t *testing.T) {
	p := rsaPKI(t)
	conf := serving(p.server)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return conf.Clone(), nil }})
	must(t, err)
	defer l.Close()
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			go func() { io.Copy(io.Discard, c); c.Close() }()
		}
	}()
	b := &box{state: memfs.New(), now: time.Now()}
	o := p.at(l.Addr().String(), "compat")
	o.Event = func(kind, what string, _ uint8, _ map[string]any) { b.events = append(b.events, kind+" "+what) }
	shake := func(after time.Duration) (s3.Report, error) {
		b.now = b.now.Add(after)
		o.Memory, o.Now = s3.OpenMemory(b.state, true, nil), func() time.Time { return b.now }
		return s3.Handshake(t.Context(), o)
	}
	_, err = shake(0)
	must(t, err)
	conf.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}
	for _, after := range []time.Duration{0, 30 * time.Minute, 20 * time.Minute} {
		if _, err := shake(after); uploader.ClassOf(err) != uploader.Config || !strings.Contains(err.Error(), "1 of 2 attempts") {
			t.Fatalf("found %v", err)
		}
	}
	r, err := shake(10 * time.Minute)
	if err != nil || !strings.Contains(r.Groups, "modern and RSA") || !strings.Contains(r.Groups, "WEAKER") || len(b.events) != 1 || b.events[0] != "tls downgrade" {
		t.Fatalf("%s, %v, %q", r.Groups, err, b.events)
	}
	conf.CipherSuites = nil
	if r, err = shake(time.Hour); err != nil || !strings.Contains(r.Groups, "modern and RSA") {
		t.Errorf("within the day: %s, %v", r.Groups, err)
	}
	if r, err = shake(24 * time.Hour); err != nil || strings.Contains(r.Groups, "modern and RSA") || strings.Contains(r.Groups, "WEAKER") || len(b.events) != 1 {
		t.Errorf("after a day: %s, %v, %q", r.Groups, err, b.events)
	}
}

// The memory begins with the last good attempt, for a day; one that is damaged,
// or of somebody who has written nonsense, costs attempts and nothing else.
func TestTheMemoryOfGroups(t *testing.T) {
	p := rsaPKI(t)
	server := openssl(t, p.server, "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256:AES128-GCM-SHA256")
	dir := t.TempDir()
	state, now := durable.Dir(dir), time.Now()
	dials := func() int32 {
		var n atomic.Int32
		o := p.at(server.address, "canedge")
		o.Dial, o.Memory, o.Now = counted(&n, nil), s3.OpenMemory(state, true, nil), func() time.Time { return now }
		_, err := s3.Handshake(t.Context(), o)
		must(t, err)
		return n.Load()
	}
	file := filepath.Join(dir, s3.MemoryFile)
	written := func() fs.FileInfo {
		info, err := os.Stat(file)
		must(t, err)
		return info
	}
	if n := dials(); n != 3 {
		t.Errorf("the first walk: %d attempts, wanted 3", n)
	}
	if info := written(); info.Mode().Perm()&0o077 != 0 || info.Size() > 1000 {
		t.Errorf("%s: %v, %d bytes", s3.MemoryFile, info.Mode(), info.Size())
	}
	first := written().ModTime()
	if n := dials(); n != 1 || !written().ModTime().Equal(first) {
		t.Errorf("the second walk: %d attempts, wanted 1; and nothing new to write", n)
	}
	good, err := os.ReadFile(file)
	must(t, err)
	for name, text := range map[string]string{
		"empty": "", "cut": string(good[:len(good)/2]), "a list": "[]", "version 2": `{"v":2}`, "large": strings.Repeat(" ", 65<<10) + string(good),
		"an attempt that is none": strings.Replace(string(good), "group 3", "group 9", 1),
		"a rank that is another":  strings.Replace(string(good), `"rank":1`, `"rank":-7`, 1),
		"many":                    `{"v":1,"endpoints":[` + strings.Repeat(`{},`, 20) + `{}]}`,
	} {
		must(t, os.WriteFile(file, []byte(text), 0o600))
		if n := dials(); n != 3 {
			t.Errorf("%s: %d attempts, wanted 3", name, n)
		}
		if n := dials(); n != 1 {
			t.Errorf("%s: not written again: %d attempts", name, n)
		}
	}
	now = now.Add(-48 * time.Hour) // a clock that went back: what was secret stays
	if n := dials(); n != 1 {
		t.Errorf("with an earlier clock: %d attempts", n)
	}
}

// A state folder that takes nothing costs the memory alone.
func TestAMemoryThatCannotBeWritten(t *testing.T) {
	p := rsaPKI(t)
	server := openssl(t, p.server)
	state := memfs.New()
	state.Fault(func(memfs.Op) error { return errors.New("worn out") })
	o := p.at(server.address, "compat")
	o.Memory = s3.OpenMemory(state, true, nil)
	if _, err := s3.Handshake(t.Context(), o); err != nil {
		t.Error(err)
	}
}

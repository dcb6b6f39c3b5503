//go:build linux

package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"canseal/can"
	"canseal/can/sim"
	"canseal/certs"
	"canseal/cmd/internal/appliance"
	"canseal/internal/mdfcheck"
	"canseal/internal/s3test/gateway"
	"canseal/internal/vmtest"
	"canseal/mdf"
)

// The whole road, with nothing simulated but the controller: in a guest with a
// real SocketCAN canseald records what canplayer puts on a vcan and uploads a
// part to a store in the guest over https; it is killed in mid-segment and
// started again, with the store gone. Then the card and its state folder
// travel to the host, whose canseald sends the rest to versitygw: first over
// http, and after another drive in the guest over https. At the end every frame is
// in exactly one place, once.
func TestEveryFrameReachesExactlyOneStoreOnce(t *testing.T) {
	vmtest.Require(t, "the whole road from a vcan to two stores")
	dir, err := os.MkdirTemp("", "road") // short, for the guest's mount
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r := &road{dir: dir, program: buildDaemon(t)}
	plain := gateway.Start(t, gateway.Options{Buckets: []string{roadBucket}})
	r.certify(t)
	secure := gateway.Start(t, gateway.Options{Buckets: []string{roadBucket}, Cert: r.cert, Key: r.key})
	r.logs(t, "first", "second", "third", "fourth")

	r.guest(t, "TestGuestDriveWithAStoreAndAKill")
	r.send(t, strings.Replace(plain.URL, "127.0.0.1", "localhost", 1), "low", plain) // another store, also by its name
	r.guest(t, "TestGuestDriveWithoutAStore")
	r.send(t, secure.URL, "medium", secure)

	got := frames(t, filepath.Join(dir, "bucket"), plain.Dir, secure.Dir)
	want := r.sent
	if len(got) != len(want) {
		t.Fatalf("%d frames in the stores, %d were sent", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("frame %d is %+v, want %+v", i, got[i], want[i])
		}
	}
	t.Logf("%d frames, each in one store, once", len(got))
}

func TestABoxThatWakesUpIn1970(t *testing.T) {
	vmtest.Require(t, "a box with its clock in 1970")
	dir, err := os.MkdirTemp("", "road")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	r := &road{dir: dir}
	r.logs(t, "first", "second")
	r.guest(t, "TestGuestClockIn1970")
}

const (
	roadBucket = "trucks"
	roadDevice = "A1B2C3D4"
	// drive is the number of frames of one log.
	drive = 3000
)

// road is a card on its way.
type road struct {
	dir, program string
	cert, key    []byte // of the secure gateway
	bundle       []byte
	sent         []can.Frame
}

// logs writes candump logs with frames of all kinds that canplayer can send.
func (r *road) logs(t *testing.T, names ...string) {
	o := sim.Mixed(7)
	o.Errors, o.Buses = 0, 1
	events := sim.Take(o, 2*drive*len(names))
	next := 0
	for _, name := range names {
		var text []byte
		for n := 0; n < drive; next++ {
			e := &events[next]
			if e.Frame.DLC > 8 && !e.Frame.Is(can.FD) || e.Frame.Is(can.Remote) { // raw DLCs: not in every can-utils
				continue
			}
			text = append(can.AppendCandump(text, e, "can0"), '\n')
			r.sent = append(r.sent, e.Frame)
			n++
		}
		write(t, filepath.Join(r.dir, name+".log"), text)
	}
}

// certify makes the second gateway's certificate and the bundle that trusts it.
func (r *road) certify(t *testing.T) {
	authority, err := certs.NewAuthority("road", time.Now(), 24*time.Hour)
	must(t, err)
	c, err := authority.Issue(time.Now(), 24*time.Hour, "127.0.0.1")
	must(t, err)
	for _, der := range c.Certificate {
		r.cert = append(r.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	must(t, err)
	r.key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	r.bundle, err = certs.EncodeBundle([]*x509.Certificate{authority.Certificate})
	must(t, err)
}

// guest runs one of the guest's tests with the card in it.
func (r *road) guest(t *testing.T, test string) {
	t.Helper()
	vmtest.Run(t, vmtest.Guest{
		Tests:    map[string]string{"/road.test": "canseal/cmd/canseald"},
		Programs: map[string]string{"/canseald": "canseal/cmd/canseald"},
		Host:     []string{"canplayer"},
		Script: vmtest.CAN + "add vcan0 vcan\nup vcan0\nmkdir /road\nmount none /road hostfs " + r.dir + "\n" +
			"env CANSEAL_ROAD /road\nrun /road.test -test.v -test.run ^" + test + "$\n",
		Timeout: 2 * time.Minute,
	})
}

// send lets this machine's canseald upload what is left on the card.
func (r *road) send(t *testing.T, url, mode string, g *gateway.Gateway) {
	t.Helper()
	card := filepath.Join(r.dir, "card")
	write(t, filepath.Join(card, "certs_server.p7b"), r.bundle)
	writeConfig(t, card, url, mode, g.Access, g.Secret)
	d := startDaemon(t, r.program, card)
	d.await(t, "nothing left to send", func(f *appliance.Facts) bool {
		return f.Upload.Sent.Segments > 0 && f.Upload.Queue.Segments == 0
	})
	d.stop(t)
}

// frames reads every segment below the folders, in the order of their names:
// the same name in two folders is the error this test looks for.
func frames(t *testing.T, dirs ...string) (all []can.Frame) {
	t.Helper()
	files := map[string]string{}
	var names []string
	for _, dir := range dirs {
		root := filepath.Join(dir, roadBucket)
		must(t, filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".MF4") {
				return err
			}
			name, err := filepath.Rel(root, path)
			if files[name] != "" {
				t.Errorf("%s is in %s and in %s", name, files[name], path)
			}
			files[name], names = path, append(names, name)
			return err
		}))
	}
	slices.Sort(names)
	for _, name := range names {
		all = append(all, framesOf(t, files[name])...)
	}
	return all
}

func framesOf(t *testing.T, path string) (all []can.Frame) {
	t.Helper()
	if report, err := mdfcheck.File(path); err != nil || len(report.Problems) > 0 {
		t.Errorf("%s: %v %v", path, err, report.Problems)
	}
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	info, err := f.Stat()
	must(t, err)
	reader, err := mdf.Open(f, info.Size())
	must(t, err)
	for e, err := range reader.Frames() {
		must(t, err)
		if e.Dir != can.OtherTx {
			t.Errorf("%s: a frame of canplayer has direction %d", path, e.Dir)
		}
		all = append(all, e.Frame)
	}
	return all
}

// daemon is a running canseald.
type daemon struct {
	cmd   *exec.Cmd
	card  string
	state string
	ended chan error
}

func buildDaemon(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "canseald")
	out, err := exec.Command("go", "build", "-o", program, "canseal/cmd/canseald").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// startDaemon starts canseald on a card whose state folder travels with it.
func startDaemon(t *testing.T, program, card string) *daemon {
	t.Helper()
	d := &daemon{cmd: exec.Command(program, "--root", card), card: card, state: filepath.Join(card, "state"), ended: make(chan error, 1)}
	d.cmd.Stdout, d.cmd.Stderr = logTo{t}, logTo{t}
	must(t, d.cmd.Start())
	go func() { d.ended <- d.cmd.Wait() }()
	t.Cleanup(func() { _ = d.cmd.Process.Kill() })
	return d
}

// await asks the daemon until its state is what is wanted.
func (d *daemon) await(t *testing.T, what string, good func(*appliance.Facts) bool) {
	t.Helper()
	var last []byte
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if facts, text := d.ask(t.Context()); facts != nil {
			if last = text; good(facts) {
				return
			}
		}
		select {
		case err := <-d.ended:
			t.Fatalf("canseald ended while waiting for: %s: %v", what, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
	t.Fatalf("waited in vain for: %s; last status %s", what, last)
}

func (d *daemon) ask(ctx context.Context) (*appliance.Facts, []byte) {
	client, err := appliance.Dial(d.state)
	if err != nil {
		return nil, nil
	}
	text, err := client.Status(ctx)
	if err != nil {
		return nil, nil
	}
	var f appliance.Facts
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, nil
	}
	return &f, text
}

// stop sends SIGTERM and wants the end to be in order.
func (d *daemon) stop(t *testing.T) {
	t.Helper()
	must(t, d.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-d.ended:
		must(t, err)
	case <-time.After(time.Minute):
		t.Fatal("canseald does not end")
	}
}

// kill is what a power cut is to the program.
func (d *daemon) kill(t *testing.T) {
	t.Helper()
	must(t, d.cmd.Process.Kill())
	<-d.ended
}

func writeConfig(t *testing.T, card, url, mode, access, secret string) {
	t.Helper()
	write(t, filepath.Join(card, "config.yaml"), fmt.Appendf(nil, `version: 1
device: {id: %s}
log: {flush: 100ms}
buses:
  - interface: vcan0
upload:
  mode: %s
  endpoint: %s
  bucket: %s
  access_key: %s
  secret_key: %s
`, roadDevice, mode, url, roadBucket, access, secret))
}

func write(t *testing.T, name string, content []byte) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(name), 0o755))
	must(t, os.WriteFile(name, content, 0o644))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// logTo passes the daemon's words to the test's log.
type logTo struct{ t *testing.T }

func (l logTo) Write(b []byte) (int, error) {
	l.t.Logf("canseald: %s", strings.TrimSpace(string(b)))
	return len(b), nil
}

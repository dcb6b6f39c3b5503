package uploader_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"canseal/certs"
	"canseal/internal/durable"
	"canseal/internal/s3test/gateway"
	"canseal/segment"
	"canseal/uploader"
	"canseal/uploader/s3"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// The figures of uploads, as ratios in one run (make s3-bench). Each contender
// is a process of its own, with four transfers at once, over the same files to
// the same versitygw; CPU and memory are those of that process. "client" is
// the package s3 alone; "uploader" does all that the daemon does: it reads the
// seal records, makes journals and receipts durable, and compares what goes in
// parts.
func TestUploadFigures(t *testing.T) {
	if role := os.Getenv("CANSEAL_S3BENCH_ROLE"); role != "" {
		contender(t, role)
		return
	}
	rounds, _ := strconv.Atoi(os.Getenv("CANSEAL_S3BENCH"))
	if rounds == 0 {
		t.Skip("CANSEAL_S3BENCH=1 measures: make s3-bench")
	}
	if _, err := exec.LookPath("rclone"); err != nil {
		t.Skip("NOT RUN: rclone is absent (make peers)")
	}
	for _, secure := range []bool{false, true} {
		heartbeat(t, secure)
	}
	for _, set := range []fileSet{{"200 x 1 MiB", 200, 1 << 20}, {"4 x 128 MiB", 4, 128 << 20}} {
		root := set.card(t)
		for _, secure := range []bool{false, true} {
			compareOn(t, set, root, secure, rounds)
		}
	}
}

type fileSet struct {
	name  string
	count int
	size  int64
}

// card makes a card with the sealed segments of a set.
func (f fileSet) card(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	card := segment.Card{FS: durable.Dir(root), Device: device}
	prev := segment.FirstPrev
	for i := range f.count {
		n := segment.Name{Session: 17, Split: uint32(i + 1)}
		data := noise(int(f.size))
		data[0] = byte(i)
		write(t, card.FS, card.Path(n, segment.Sealed), data)
		sum := sha256.Sum256(data)
		line := segment.SealLine{Device: device, Session: 17, Split: n.Split, Start: startOf(n), Form: "raw", Size: f.size,
			SHA256: hex.EncodeToString(sum[:]), End: "orderly", Clock: "synchronised", Config: segment.FirstPrev, Prev: prev}
		if err := card.AppendSeal(17, line); err != nil {
			t.Fatal(err)
		}
		prev = line.Hash()
	}
	return root
}

// figure is what one process took.
type figure struct {
	wall, cpu time.Duration
	rss       int64 // bytes
}

func (f figure) less(g figure) figure {
	return figure{min(f.wall, g.wall), min(f.cpu, g.cpu), max(f.rss, g.rss)}
}

// compareOn measures all contenders on one store and reports the best round of
// each.
func compareOn(t *testing.T, set fileSet, root string, secure bool, rounds int) {
	g, ca := bench(t, secure)
	names := []string{"uploader", "client", "minio-go", "rclone"}
	best := map[string]figure{}
	for range rounds {
		for _, name := range names {
			f := run(t, name, root, g.URL, ca)
			if old, ok := best[name]; ok {
				f = f.less(old)
			}
			best[name] = f
			clean(t, g.Dir, root)
		}
	}
	scheme := map[bool]string{false: "http", true: "https"}[secure]
	mib := float64(set.count) * float64(set.size) / (1 << 20)
	for _, name := range names {
		f := best[name]
		t.Logf("FIGURE %-11s %-5s %-8s %6.1f MiB/s  %5.2f ms CPU per MiB  %3d MiB resident", set.name, scheme, name,
			mib/f.wall.Seconds(), f.cpu.Seconds()*1000/mib, f.rss>>20)
	}
	for _, name := range names[:2] {
		f := best[name]
		t.Logf("FIGURE %-11s %-5s %-8s: CPU %.2f x minio-go FPutObject, wall %.2f x minio-go, %.2f x rclone", set.name, scheme, name,
			f.cpu.Seconds()/best["minio-go"].cpu.Seconds(), f.wall.Seconds()/best["minio-go"].wall.Seconds(), f.wall.Seconds()/best["rclone"].wall.Seconds())
	}
}

// bench starts a store; ca is the file of the authority that it shows.
func bench(t *testing.T, secure bool) (g *gateway.Gateway, ca string) {
	o := gateway.Options{Access: accessKey, Secret: secretKey, Buckets: []string{"trucks"}}
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if secure {
		a, err := certs.NewAuthority("bench", time.Now(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		pair, err := a.Issue(time.Now(), time.Hour, "127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		key, _ := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
		o.Cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})
		o.Key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
		os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate.Raw}), 0o600)
	}
	return gateway.Start(t, o), ca
}

// counted counts the bytes of a connection, both ways.
type counted struct {
	net.Conn
	up, down *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.down.Add(int64(n))
	return n, err
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.up.Add(int64(n))
	return n, err
}

// heartbeat measures one device.json of 4 kB: on a new connection, and on one
// that was kept.
func heartbeat(t *testing.T, secure bool) {
	g, ca := bench(t, secure)
	var up, down atomic.Int64
	client := clientOf(t, g.URL, ca, func(o *s3.Options) {
		o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, address)
			return counted{c, &up, &down}, err
		}
	})
	data := noise(4000)
	for _, what := range []string{"a new connection", "a kept one"} {
		up.Store(0)
		down.Store(0)
		start := time.Now()
		if _, err := client.Replace(t.Context(), uploader.Object{Key: "A1B2C3D4/device.json", Body: bytes.NewReader(data), Size: 4000, SHA256: sha256.Sum256(data)}); err != nil {
			t.Fatal(err)
		}
		t.Logf("FIGURE heartbeat of 4000 bytes, %s, %s: %d bytes up, %d down, %.1f ms", g.URL[:5], what, up.Load(), down.Load(), time.Since(start).Seconds()*1000)
	}
}

// clean empties the bucket and takes back the receipts.
func clean(t *testing.T, dir, root string) {
	t.Helper()
	for _, pattern := range []string{filepath.Join(dir, "trucks", "*"), filepath.Join(root, "LOG", string(device), "*", "*.sent")} {
		list, _ := filepath.Glob(pattern)
		for _, name := range list {
			if err := os.RemoveAll(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	syscall.Sync()
}

// run starts one contender and waits for it.
func run(t *testing.T, name, root, url, ca string) figure {
	t.Helper()
	folder := filepath.Join(root, "LOG", string(device), "00000017")
	cmd := exec.Command(os.Args[0], "-test.run", "^TestUploadFigures$")
	cmd.Env = append(os.Environ(), "CANSEAL_S3BENCH_ROLE="+name, "BENCH_ROOT="+root, "BENCH_FOLDER="+folder, "BENCH_URL="+url, "BENCH_CA="+ca)
	if dir := os.Getenv("CANSEAL_S3BENCH_PROFILE"); dir != "" {
		cmd.Args = append(cmd.Args, "-test.cpuprofile", filepath.Join(dir, name+"-"+url[:5]+"-"+filepath.Base(root)+".prof"))
	}
	if name == "rclone" {
		cmd = exec.Command("rclone", "copy", folder, "bench:trucks/rclone", "--include", "*.MF4", "--transfers", "4", "--ca-cert", ca)
		if strings.HasPrefix(url, "http:") {
			cmd.Args = cmd.Args[:len(cmd.Args)-2]
		}
		cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + root, "RCLONE_CONFIG=/dev/null"}, "RCLONE_CONFIG_BENCH_TYPE=s3", "RCLONE_CONFIG_BENCH_PROVIDER=Other", "RCLONE_CONFIG_BENCH_ENDPOINT="+url,
			"RCLONE_CONFIG_BENCH_ACCESS_KEY_ID="+accessKey, "RCLONE_CONFIG_BENCH_SECRET_ACCESS_KEY="+secretKey, "RCLONE_CONFIG_BENCH_REGION=us-east-1")
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	most := make(chan int64)
	go func() { most <- resident(cmd.Process.Pid) }()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out.String())
	}
	took := time.Since(start)
	return figure{took, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), <-most}
}

// resident follows the most memory that a process has had, until it ends. What
// the kernel counts for a child begins with the size of its parent.
func resident(pid int) (most int64) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		_, after, ok := strings.Cut(string(status), "VmHWM:")
		if err != nil || !ok {
			return most
		}
		if kib, err := strconv.ParseInt(strings.Fields(after)[0], 10, 64); err == nil {
			most = kib << 10
		}
	}
	return most
}

// trustOf is what a client wants to know of a store: mode and, over https, whom
// to trust.
func trustOf(t *testing.T, url, ca string) (mode string, conf *tls.Config, bundle *certs.Bundle) {
	if !strings.HasPrefix(url, "https:") {
		return "low", nil, nil
	}
	file, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	if bundle, err = certs.LoadBundle(file, certs.BundleOptions{}); err != nil {
		t.Fatal(err)
	}
	return "medium", certs.ClientTLS(bundle, certs.TLSOptions{ServerName: "127.0.0.1"}), bundle
}

func clientOf(t *testing.T, url, ca string, change func(*s3.Options)) *s3.Client {
	o := s3.Options{Endpoint: url, Bucket: "trucks", PathStyle: true, AccessKey: accessKey, SecretKey: secretKey, Workers: 4}
	o.Mode, o.TLS, o.Bundle = trustOf(t, url, ca)
	change(&o)
	client, err := s3.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// contender is the child process.
func contender(t *testing.T, role string) {
	url, ca := os.Getenv("BENCH_URL"), os.Getenv("BENCH_CA")
	if role == "minio-go" {
		_, conf, _ := trustOf(t, url, ca)
		putPlainly(t, url, conf)
		return
	}
	client := clientOf(t, url, ca, func(*s3.Options) {})
	if role == "client" {
		putAll(t, func(name string) error { return putByClient(client, name) })
		return
	}
	up := uploader.New(uploader.Options{Store: client, Card: segment.Card{FS: durable.Dir(os.Getenv("BENCH_ROOT")), Device: device},
		Mode: "medium", Endpoint: url, Bucket: "trucks", Proved: client.Proved(), Workers: 4})
	if err := up.Drain(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// putPlainly puts all files with minio-go as it comes, four at once.
func putPlainly(t *testing.T, url string, conf *tls.Config) {
	scheme, host, _ := strings.Cut(url, "://")
	o := &minio.Options{Creds: credentials.NewStaticV4(accessKey, secretKey, ""), Secure: scheme == "https", Region: "us-east-1", BucketLookup: minio.BucketLookupPath}
	tr, err := minio.DefaultTransport(o.Secure)
	if err != nil {
		t.Fatal(err)
	}
	if conf != nil {
		tr.TLSClientConfig = conf
	}
	o.Transport = tr
	c, err := minio.New(host, o)
	if err != nil {
		t.Fatal(err)
	}
	putAll(t, func(name string) error {
		_, err := c.FPutObject(context.Background(), "trucks", fmt.Sprint("minio/", filepath.Base(name)), name, minio.PutObjectOptions{})
		return err
	})
}

// putAll puts all files, four at once.
func putAll(t *testing.T, put func(name string) error) {
	files, _ := filepath.Glob(filepath.Join(os.Getenv("BENCH_FOLDER"), "*.MF4"))
	todo := make(chan string)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for name := range todo {
				if err := put(name); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, name := range files {
		todo <- name
	}
	close(todo)
	all.Wait()
}

// putByClient puts a file in one request; its hash is known, as it is from
// sealing.
func putByClient(c *s3.Client, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	o := uploader.Object{Key: "client/" + filepath.Base(name), Body: f, Size: info.Size()}
	sum, err := hex.DecodeString(sums()[filepath.Base(name)])
	if err != nil {
		return err
	}
	copy(o.SHA256[:], sum)
	_, err = c.Create(context.Background(), o)
	return err
}

// sums are the hashes of the seal records, by file name.
var sums = sync.OnceValue(func() map[string]string {
	m := map[string]string{}
	log, _ := segment.Card{FS: durable.Dir(os.Getenv("BENCH_ROOT")), Device: device}.ReadSeals(17)
	for _, l := range log.Lines {
		m[fmt.Sprintf("%08d.MF4", l.Split)] = l.SHA256
	}
	return m
})

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
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
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
// the same versitygw; CPU and memory are those of that process. Ours does all
// that the daemon does: it compares each file with its seal record, and makes
// journals and receipts durable.
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
	o := gateway.Options{Access: accessKey, Secret: secretKey, Buckets: []string{"trucks"}}
	ca := filepath.Join(t.TempDir(), "ca.pem")
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
	g := gateway.Start(t, o)
	names := []string{"ours", "minio-go", "rclone"}
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
	ours := best["ours"]
	t.Logf("FIGURE %-11s %-5s ours: CPU %.2f x minio-go FPutObject, wall %.2f x minio-go, %.2f x rclone", set.name, scheme,
		ours.cpu.Seconds()/best["minio-go"].cpu.Seconds(), ours.wall.Seconds()/best["minio-go"].wall.Seconds(), ours.wall.Seconds()/best["rclone"].wall.Seconds())
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
		cmd.Args = append(cmd.Args, "-test.cpuprofile", filepath.Join(dir, name+".prof"))
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

// contender is the child process.
func contender(t *testing.T, role string) {
	var conf *tls.Config
	mode, url := "low", os.Getenv("BENCH_URL")
	var bundle *certs.Bundle
	if strings.HasPrefix(url, "https:") {
		mode = "medium"
		file, err := os.ReadFile(os.Getenv("BENCH_CA"))
		if err != nil {
			t.Fatal(err)
		}
		if bundle, err = certs.LoadBundle(file, certs.BundleOptions{}); err != nil {
			t.Fatal(err)
		}
		conf = certs.ClientTLS(bundle, certs.TLSOptions{ServerName: "127.0.0.1"})
	}
	if role == "minio-go" {
		putPlainly(t, url, conf)
		return
	}
	client, err := s3.New(s3.Options{Endpoint: url, Bucket: "trucks", PathStyle: true, AccessKey: accessKey, SecretKey: secretKey,
		Mode: mode, Workers: 4, TLS: conf, Bundle: bundle})
	if err != nil {
		t.Fatal(err)
	}
	up := uploader.New(uploader.Options{Store: client, Card: segment.Card{FS: durable.Dir(os.Getenv("BENCH_ROOT")), Device: device},
		Mode: mode, Endpoint: url, Bucket: "trucks", Proved: client.Proved(), Workers: 4})
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
	files, _ := filepath.Glob(filepath.Join(os.Getenv("BENCH_FOLDER"), "*.MF4"))
	todo := make(chan string)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for name := range todo {
				if _, err := c.FPutObject(context.Background(), "trucks", fmt.Sprint("minio/", filepath.Base(name)), name, minio.PutObjectOptions{}); err != nil {
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

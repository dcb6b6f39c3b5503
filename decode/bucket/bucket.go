package bucket

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"canseal/decode/input"
	"canseal/uploader/s3"
)

// Store is a bucket: a *s3.Client.
type Store interface {
	List(ctx context.Context, prefix string) iter.Seq2[s3.Entry, error]
	Get(ctx context.Context, key string, limit int64) ([]byte, error)
	Fetch(ctx context.Context, key string, w io.Writer, limit int64) (int64, error)
}

// Options say which bucket, and what of it is wanted.
type Options struct {
	Store    Store
	Name     string    // of the bucket
	Devices  []string  // empty: all
	From, To time.Time // zero: no bound
	Temp     string    // folder for temporary files; empty: the system's
	Room     int64     // bytes of temporary files that are kept; 0: 1 GiB
}

// Bucket is the recordings of a bucket. One goroutine uses it.
type Bucket struct {
	o    Options
	held hold
	ours map[string]bool // by folder of a device

	Others uint64 // objects that are no recordings by their names
	Left   uint64 // recordings of devices that are not wanted
}

// Leeway is how far the clocks of a device and of the store may differ before a
// recording is left out wrongly.
const Leeway = 24 * time.Hour

const (
	mostFiles  = 1 << 20
	mostBytes  = 8 << 30  // of one object
	factsBytes = 64 << 10 // of device.json
	canseal    = "000C5EA1"
)

// Scheme is what the names of a bucket begin with.
const Scheme = "s3://"

// Split takes s3://BUCKET/PREFIX apart.
func Split(name string) (bucket, prefix string, err error) {
	rest, is := strings.CutPrefix(name, Scheme)
	bucket, prefix, _ = strings.Cut(rest, "/")
	if !is || bucket == "" {
		return "", "", fmt.Errorf("%s: wanted s3://BUCKET/PREFIX", name)
	}
	return bucket, strings.TrimSuffix(prefix, "/"), nil
}

// New makes a Bucket; nothing is asked yet.
func New(o Options) *Bucket {
	if o.Room == 0 {
		o.Room = 1 << 30
	}
	return &Bucket{o: o, held: hold{temp: o.Temp, room: o.Room}, ours: map[string]bool{}}
}

// Find lists the recordings below a prefix. The files are opened with ctx.
func (b *Bucket) Find(ctx context.Context, prefix string) ([]input.File, error) {
	var all []input.File
	for e, err := range b.o.Store.List(ctx, prefix) {
		switch {
		case err != nil:
			return nil, fmt.Errorf("list %s%s/%s: %w", Scheme, b.o.Name, prefix, err)
		case !below(e.Key, prefix):
		case !input.IsRecording(path.Base(e.Key)):
			b.Others++
		case !b.wanted(e.Key):
			b.Left++
		case len(all) == mostFiles:
			return nil, fmt.Errorf("list %s%s/%s: more than %d recordings", Scheme, b.o.Name, prefix, mostFiles)
		default:
			all = append(all, b.file(ctx, e))
		}
	}
	return all, nil
}

// below tells whether a key is the prefix, or lies in it as in a folder.
func below(key, prefix string) bool {
	return prefix == "" || key == prefix || strings.HasPrefix(key, prefix+"/")
}

// wanted tells whether a key may be of a device that is wanted.
func (b *Bucket) wanted(key string) bool {
	place, is := input.PlaceOf(key)
	return !is || len(b.o.Devices) == 0 || slices.ContainsFunc(b.o.Devices, func(d string) bool { return strings.EqualFold(d, place.Device) })
}

func (b *Bucket) file(ctx context.Context, e s3.Entry) input.File {
	f := input.File{Name: Scheme + b.o.Name + "/" + e.Key, Size: e.Size, Modified: e.Modified}
	f.Open = func() (io.ReadCloser, error) { return b.open(ctx, e) }
	if !b.o.From.IsZero() && !e.Modified.IsZero() {
		f.End = e.Modified.Add(Leeway)
	}
	if begin, named := begins(e.Key); named && !b.o.To.IsZero() && !begin.Before(b.o.To) && b.namesBegins(ctx, e.Key) {
		f.Start = begin
	}
	return f
}

// begins reads the EPOCHHEX of a key: DEVICE/SESSION/SPLIT-EPOCHHEX.MF4.
func begins(key string) (time.Time, bool) {
	if _, is := input.PlaceOf(key); !is {
		return time.Time{}, false
	}
	_, text, _ := strings.Cut(path.Base(key), "-")
	text, _, _ = strings.Cut(text, ".")
	seconds, err := strconv.ParseUint(text, 16, 32)
	return time.Unix(int64(seconds), 0), err == nil && len(text) == 8
}

// namesBegins tells whether the keys of a device name the begins of its
// segments: whether it is one of ours.
func (b *Bucket) namesBegins(ctx context.Context, key string) bool {
	folder := path.Dir(path.Dir(key))
	is, known := b.ours[folder]
	if !known {
		text, err := b.o.Store.Get(ctx, folder+"/device.json", factsBytes)
		var facts struct{ Type string }
		is = err == nil && json.Unmarshal(text, &facts) == nil && facts.Type == canseal
		b.ours[folder] = is
	}
	return is
}

// Close removes what lies on the disk.
func (b *Bucket) Close() error { return b.held.close() }

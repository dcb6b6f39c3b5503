package s3test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Object is what the store knows of an object.
type Object struct {
	Bucket      string            `json:"bucket"`
	Key         string            `json:"key"`
	Size        int64             `json:"size"`
	Modified    time.Time         `json:"modified"`
	ETag        string            `json:"etag"`         // MD5 in hex, no quotes
	SHA256      string            `json:"sha256"`       // base64; computed by the store
	Checksum    string            `json:"checksum"`     // SHA256 or CRC32C, empty where the client sent none
	Value       string            `json:"value"`        // base64, as the store computed it; with -N after it for N parts
	Type        string            `json:"type"`         // COMPOSITE; empty: of the whole object
	ContentType string            `json:"content_type"` // as sent
	Meta        map[string]string `json:"meta"`         // names in lower case, without x-amz-meta-

	body []byte // in memory
	path string // in a folder
}

// shelf holds buckets and objects. With a folder each body is a file; what
// is known of the objects is always in memory too.
type shelf struct {
	dir string

	mu      sync.RWMutex
	buckets map[string]map[string]*Object
}

// The shelf's own folders below dir; no bucket can be named so.
const (
	factsDir = ".objects"
	tempDir  = ".incoming"
)

func openShelf(dir string, buckets []string) (*shelf, error) {
	s := &shelf{dir: dir, buckets: map[string]map[string]*Object{}}
	for _, name := range buckets {
		s.buckets[name] = map[string]*Object{}
	}
	if dir == "" {
		return s, nil
	}
	for _, name := range append([]string{factsDir, tempDir}, buckets...) {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return nil, err
		}
	}
	return s, s.load()
}

// load reads the facts of the objects that a run before has left.
func (s *shelf) load() error {
	entries, err := os.ReadDir(filepath.Join(s.dir, factsDir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(s.dir, factsDir, e.Name()))
		if err != nil {
			return err
		}
		o := new(Object)
		if json.Unmarshal(text, o) != nil {
			continue // cut while it was written
		}
		o.path = s.path(o.Bucket, o.Key)
		if info, err := os.Stat(o.path); err != nil || info.Size() != o.Size {
			continue
		}
		if s.buckets[o.Bucket] == nil {
			s.buckets[o.Bucket] = map[string]*Object{}
		}
		s.buckets[o.Bucket][o.Key] = o
	}
	return nil
}

// path is where the body of an object lies. Parts of a key that a file
// system would take otherwise are escaped.
func (s *shelf) path(bucket, key string) string {
	parts := strings.Split(key, "/")
	for i, p := range parts {
		parts[i] = escape(p, false)
		if strings.Trim(p, ".") == "" { // empty, . and ..
			parts[i] = "%" + p
		}
	}
	return filepath.Join(append([]string{s.dir, bucket}, parts...)...)
}

func (s *shelf) facts(o *Object) string {
	name := base64.RawURLEncoding.EncodeToString(hashOf(o.Bucket + "/" + o.Key))
	return filepath.Join(s.dir, factsDir, name+".json")
}

func (s *shelf) hasBucket(bucket string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.buckets[bucket] != nil
}

func (s *shelf) bucketNames() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var names []string
	for name := range s.buckets {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (s *shelf) makeBucket(bucket string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets[bucket] != nil {
		return bucketOwned
	}
	s.buckets[bucket] = map[string]*Object{}
	if s.dir == "" {
		return nil
	}
	return os.MkdirAll(filepath.Join(s.dir, bucket), 0o755)
}

func (s *shelf) find(bucket, key string) *Object {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.buckets[bucket][key]
}

// keys returns the keys of a bucket that begin with prefix, in order.
func (s *shelf) keys(bucket, prefix string) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var keys []string
	for key := range s.buckets[bucket] {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// put makes a received object visible; with create only where its key is
// free.
func (s *shelf) put(o *Object, in *intake, create bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if create && s.buckets[o.Bucket][o.Key] != nil {
		return occupied
	}
	if s.buckets[o.Bucket] == nil {
		return noBucket
	}
	if s.dir == "" {
		o.body = in.memory.Bytes()
	} else if err := s.keep(o, in.file); err != nil {
		return err
	}
	s.buckets[o.Bucket][o.Key] = o
	return nil
}

// keep moves a received file to its place and writes its facts.
func (s *shelf) keep(o *Object, f *os.File) error {
	o.path = s.path(o.Bucket, o.Key)
	if err := os.MkdirAll(filepath.Dir(o.path), 0o755); err != nil {
		return parentIsObject
	}
	if info, err := os.Stat(o.path); err == nil && info.IsDir() {
		return parentIsObject
	}
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), o.path); err != nil {
		return err
	}
	return os.WriteFile(s.facts(o), text, 0o644)
}

func (s *shelf) remove(bucket, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.buckets[bucket][key]
	if o == nil {
		return nil
	}
	delete(s.buckets[bucket], key)
	if s.dir == "" {
		return nil
	}
	return errors.Join(os.Remove(s.facts(o)), os.Remove(o.path))
}

// open returns the body of an object.
func (o *Object) open() (io.ReaderAt, func() error, error) {
	if o.path == "" {
		return bytes.NewReader(o.body), func() error { return nil }, nil
	}
	f, err := os.Open(o.path)
	if err != nil {
		return nil, nil, err
	}
	return f, f.Close, nil
}

// Body returns the whole content.
func (o *Object) Body() ([]byte, error) {
	r, end, err := o.open()
	if err != nil {
		return nil, err
	}
	defer end()
	return io.ReadAll(io.NewSectionReader(r, 0, o.Size))
}

// Object returns an object as it is stored, or fs.ErrNotExist.
func (s *Server) Object(bucket, key string) (*Object, error) {
	if o := s.shelf.find(bucket, key); o != nil {
		return o, nil
	}
	return nil, &fs.PathError{Op: "object", Path: bucket + "/" + key, Err: fs.ErrNotExist}
}

// Keys returns the keys of a bucket that begin with prefix, in order.
func (s *Server) Keys(bucket, prefix string) []string {
	return s.shelf.keys(bucket, prefix)
}

// Remove takes an object away, as somebody else with access would.
func (s *Server) Remove(bucket, key string) error {
	return s.shelf.remove(bucket, key)
}

package memfs

import (
	"io/fs"
	"maps"
	"slices"
	"time"
)

// block is the smallest piece of a file that a power cut keeps or loses.
const block = 512

// node is a folder or a file.
type node struct {
	perm fs.FileMode

	// Of a folder: entries now, and those that surely survive.
	entries map[string]*node
	synced  map[string]*node

	// Of a file: content now; and what differs from the content synced last: the
	// size, and the blocks as they were, for those changed since (nil: beyond).
	data   []byte
	size   int64
	before map[int64][]byte
	links  int // entries that stand for it
}

func newFolder(perm fs.FileMode) *node {
	return &node{perm: perm | fs.ModeDir, entries: map[string]*node{}, synced: map[string]*node{}}
}

func newFile(perm fs.FileMode) *node { return &node{perm: perm.Perm(), before: map[int64][]byte{}} }

func (n *node) folder() bool { return n.perm.IsDir() }

func (n *node) names() []string { return slices.Sorted(maps.Keys(n.entries)) }

// resize changes the content's length; new bytes are zeros.
func (n *node) resize(size int64) {
	n.remember(min(size, int64(len(n.data))), max(size, int64(len(n.data))))
	if size <= int64(len(n.data)) {
		clear(n.data[size:])
		n.data = n.data[:size]
		return
	}
	n.data = slices.Grow(n.data, int(size)-len(n.data))[:size]
}

// put writes at an offset within or at the end of the content.
func (n *node) put(p []byte, at int64) {
	if end := at + int64(len(p)); end > int64(len(n.data)) {
		n.resize(end)
	}
	n.remember(at, at+int64(len(p)))
	copy(n.data[at:], p)
}

// remember keeps the blocks of a range as they were synced, before they change.
func (n *node) remember(from, to int64) {
	for b := from / block; b*block < to; b++ {
		if _, done := n.before[b]; done {
			continue
		}
		low, high := b*block, min((b+1)*block, int64(len(n.data)), n.size)
		n.before[b] = nil
		if low < high {
			n.before[b] = slices.Clone(n.data[low:high])
		}
	}
}

// sync makes the content of now the one that survives.
func (n *node) sync() {
	n.size = int64(len(n.data))
	clear(n.before)
}

type info struct {
	name string
	size int64
	mode fs.FileMode
}

func (n *node) info(name string) info { return info{name, int64(len(n.data)), n.perm} }

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return i.mode }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.mode.IsDir() }
func (i info) Sys() any           { return nil }

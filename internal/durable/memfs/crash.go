package memfs

import (
	"errors"
	"maps"
	"math/rand/v2"
)

// ErrPower is what every operation meets after the power was cut.
var ErrPower = errors.New("power cut")

func isPower(err error) bool { return errors.Is(err, ErrPower) }

// Crash is what a power cut at this moment leaves, on a machine started again:
// no faults, the same room. f itself goes on as it is. The same seed gives the
// same remainder (the package documentation names the first four).
func (f *FS) Crash(seed uint64) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := &cut{fat: f.fat, trash: f.trash, rng: rand.New(rand.NewPCG(seed, 0x5EA1)), made: map[*node]*node{}}
	c.names, c.blocks = 0.1+0.8*c.rng.Float64(), 0.1+0.8*c.rng.Float64()
	if seed < 4 {
		c.names, c.blocks = float64((seed+1)/2%2), float64(seed%2)
	}
	c.entries = c.survivors(f.pending)
	left := &FS{total: f.total, fat: f.fat, trash: f.trash}
	left.root = c.rebuild(f.root)
	for _, n := range c.made {
		left.used += int64(len(n.data))
	}
	return left
}

// cut is the work of one Crash.
type cut struct {
	fat     bool
	trash   trash
	rng     *rand.Rand
	names   float64                    // share of the changes of entries that survive
	blocks  float64                    // share of the content that does
	entries map[*node]map[string]*node // of folders with pending changes
	made    map[*node]*node
}

func (c *cut) survives(share float64) bool { return c.rng.Float64() < share }

// survivors are the entries of the folders that have pending changes.
func (c *cut) survivors(pending []change) map[*node]map[string]*node {
	left := map[*node]map[string]*node{}
	view := func(n *node) map[string]*node {
		if left[n] == nil {
			left[n] = maps.Clone(n.synced)
		}
		return left[n]
	}
	ended := map[*node]bool{} // folders whose later changes are lost
	for _, p := range pending {
		switch {
		case c.fat:
			c.onFAT(p, view)
		case p.touches(ended) || !c.survives(c.names):
			ended[p.folder] = true
			if p.from != nil {
				ended[p.from] = true
			}
		default:
			p.apply(view, false)
		}
	}
	return left
}

// onFAT has each change there or not by itself, and a rename possibly half.
func (c *cut) onFAT(p change, view func(*node) map[string]*node) {
	if c.survives(c.names) {
		p.apply(view, p.from != nil && !c.survives(c.names))
	}
}

// rebuild makes the surviving twin of a node; names that share it share the twin.
func (c *cut) rebuild(n *node) *node {
	if twin := c.made[n]; twin != nil {
		return twin
	}
	if !n.folder() {
		twin := newFile(n.perm)
		twin.data = c.content(n)
		twin.sync()
		c.made[n] = twin
		return twin
	}
	twin := newFolder(n.perm)
	c.made[n] = twin
	entries, changed := c.entries[n]
	if !changed {
		entries = n.synced
	}
	for _, name := range sorted(entries) {
		child := c.rebuild(entries[name])
		child.links++
		twin.entries[name] = child
	}
	twin.synced = maps.Clone(twin.entries)
	return twin
}

// content is what is left of a file.
func (c *cut) content(n *node) []byte {
	out := make([]byte, c.size(n.size, int64(len(n.data))))
	copy(out, n.data)
	group := int64(1) // blocks of 512 bytes
	if c.rng.IntN(2) == 0 {
		group = 8 // or of 4096
	}
	kept := map[int64]bool{}
	for _, b := range sorted(n.before) {
		if _, decided := kept[b/group]; !decided {
			kept[b/group] = c.survives(c.blocks)
		}
		cutOff := b*block >= int64(len(n.data))
		if (cutOff || !kept[b/group]) && b*block < int64(len(out)) {
			c.lose(out[b*block:min((b+1)*block, int64(len(out)))], n.before[b])
		}
	}
	return out
}

// size is the one synced, the one of now, or on the way between.
func (c *cut) size(synced, now int64) int64 {
	switch {
	case !c.survives(c.blocks):
		return synced
	case c.blocks == 1 || c.rng.IntN(2) == 0 || synced == now:
		return now
	}
	return min(synced, now) + c.rng.Int64N(max(synced, now)-min(synced, now))
}

// lose turns a block back to what it was before; where it was beyond the end, to
// zeros, or on FAT to what a deleted file held there.
func (c *cut) lose(now, before []byte) {
	n := copy(now, before)
	clear(now[n:])
	if c.fat {
		c.trash.spill(now[n:], c.rng)
	}
}

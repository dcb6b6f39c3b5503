package memfs

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
)

// maxTrash bounds what is remembered of deleted files, in files.
const maxTrash = 16

// trash is what deleted files held: on FAT it comes back in grown tails.
type trash struct{ files [][]byte }

func (t *trash) keep(data []byte) {
	if len(data) == 0 {
		return
	}
	// A new slice each time: a Crash shares the old one.
	t.files = append(slices.Clip(t.files[max(0, len(t.files)+1-maxTrash):]), slices.Clone(data))
}

// spill fills a block with old bytes from a whole block of some deleted file.
func (t *trash) spill(p []byte, rng *rand.Rand) {
	if len(t.files) == 0 {
		return
	}
	old := t.files[rng.IntN(len(t.files))]
	copy(p, old[block*rng.IntN(len(old)/block+1):])
}

// sorted makes walks over maps the same for the same seed.
func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

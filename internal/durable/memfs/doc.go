// Package memfs is the twin of durable.Dir in memory, for tests: it fails any
// operation, cuts the power after any other, fills up, and turns read-only.
//
// # What a power cut leaves
//
// Crash gives a new FS with what was synced, and a seeded share of the rest:
//
//	synced by File.Sync            content and size: surely there
//	synced by SyncDir, MkdirAll    entries: surely there
//	written, not synced            any blocks of 512 or 4096 bytes of it; any size
//	                               between the old and the new; new blocks that were
//	                               not written are zeros
//	created, renamed, removed,     of each folder the first few changes, in their
//	not synced                     order; a rename is there or not, never half
//	truncated, not synced          either
//
// OnFAT makes it worse, as FAT does: every change of an entry is there or not by
// itself; a rename may leave both names, and then both stand for the same
// clusters, so that removing or replacing one destroys the other; and new blocks
// that were not written hold what deleted files held.
//
// Seed 0 leaves nothing unsynced, seed 1 everything, seed 2 all changes of entries
// but no content, seed 3 all content but no entries; others a share of each.
//
// # Searches
//
// EachCrash runs a piece of work once for each of its operations, cuts the power
// there, and has every remainder checked. EachFault fails each operation once.
//
//	memfs.EachCrash(t, setup, func(f *memfs.FS) error {
//		return durable.WriteFile(f, "clock", next, 0o600)
//	}, func(f *memfs.FS) {
//		// "clock" holds the old content or the new one
//	})
package memfs

// Package durable keeps files that survive: the card and the state folder.
//
// A change is durable when two things have been synced: the content of the file
// (File.Sync) and the entry in its folder (FS.SyncDir). WriteFile does both, in
// the one order that leaves either the old file or the new one, whole:
//
//	NAME.new written ─► synced ─► renamed to NAME ─► folder synced
//
// A rename syncs the file once more under its new name: an entry of FAT says
// "empty" until then, and a synced folder would make that durable.
//
// A NAME.new that a power cut leaves behind is worth nothing; the next WriteFile
// of that name removes it.
//
// Dir is the real folder. It holds no descriptor between calls, so a card can be
// pulled and put back. Names cannot leave the folder, not even through symbolic
// links on a hostile card; pipes, devices and folders are not opened as files; and
// a folder with more than MaxEntries names is refused instead of read.
//
// The twin in memory, internal/durable/memfs, fails any operation and cuts the
// power after any other.
package durable

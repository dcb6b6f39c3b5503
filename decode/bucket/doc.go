// Package bucket hands the recordings of a bucket to package decode/input.
//
//	s3://BUCKET/PREFIX  ─► one list ─► input.Files ─► temporary files, when they are opened
//
// PREFIX is a folder (LOG/A1B2C3D4) or one object. Of what lies below, keys
// without the name of a recording, and those of other devices, are counted and
// passed over.
//
// # Which objects a time excludes
//
//	older than --from   it was last written, by the store's clock, more than Leeway before
//	newer than --to     its key names its begin (DEVICE/SESSION/SPLIT-EPOCHHEX), not before --to
//
// The key of a CANedge names the time of its upload: no bound for its begin.
// Which it is, device.json beside the sessions says by its type; it is read
// once for each device, and only if there is a --to.
//
// # What lies on the disk
//
// An object is read as a whole into a temporary file. It stays there, up to
// Options.Room bytes of all, because a session is walked twice; the oldest go
// first. Close removes them.
package bucket

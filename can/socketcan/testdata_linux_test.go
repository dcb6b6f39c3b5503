package socketcan

import "embed"

// The guest has no source tree: it carries the logs in the test binary.
//
//go:embed testdata/mixed.log
var testdata embed.FS

//go:build !unix

package buslog_test

import "time"

// processorTime is the time of day where nothing better is known.
func processorTime() time.Duration { return time.Duration(time.Now().UnixNano()) }

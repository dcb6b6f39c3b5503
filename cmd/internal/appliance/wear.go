package appliance

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// wearFacts is what the recording costs the card, since the start of canseald.
type wearFacts struct {
	Device  int64 `json:"device_written_bytes,omitempty"`  // by the block device of ROOT, for all programs; 0: unknown
	Process int64 `json:"process_written_bytes,omitempty"` // caused by this process, on all devices
	// Amplification is bytes written (of the device, else of the process) for each
	// byte of segments; 0: not yet known.
	Amplification float64 `json:"amplification,omitempty"`
}

// meaningful is how much has to be recorded before an amplification says
// anything, in bytes.
const meaningful = 1 << 20

// since compares what was written since before with the bytes of segments.
func (now wearFacts) since(before wearFacts, segments int64) wearFacts {
	w := wearFacts{Device: max(now.Device-before.Device, 0), Process: max(now.Process-before.Process, 0)}
	written := w.Device
	if now.Device == 0 {
		written = w.Process
	}
	if segments >= meaningful {
		w.Amplification = float64(int64(100*float64(written)/float64(segments))) / 100
	}
	return w
}

// Wear reads the counters of the card's device and of this process; what the
// system does not tell is 0.
func (h hardware) Wear(root string) (w wearFacts) {
	if name, ok := blockDevice(root); ok {
		if stat, err := os.ReadFile(filepath.Join(h.sys, "sys/dev/block", name, "stat")); err == nil {
			w.Device = sectorsWritten(string(stat)) * 512
		}
	}
	if io, err := os.ReadFile(filepath.Join(h.sys, "proc/self/io")); err == nil {
		for line := range strings.Lines(string(io)) {
			if n, ok := strings.CutPrefix(line, "write_bytes: "); ok {
				w.Process, _ = strconv.ParseInt(strings.TrimSpace(n), 10, 64)
			}
		}
	}
	return w
}

// sectorsWritten is field 7 of a block device's stat, in sectors of 512 bytes
// whatever the device has.
func sectorsWritten(stat string) int64 {
	f := strings.Fields(stat)
	if len(f) < 7 {
		return 0
	}
	n, _ := strconv.ParseInt(f[6], 10, 64)
	return n
}

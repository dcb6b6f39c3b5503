package appliance

import (
	"errors"
	"testing"

	"canseal/internal/durable"
	"canseal/internal/durable/memfs"
	"canseal/logger"
)

// While the card is away nothing is written below ROOT, whoever writes.
func TestNothingIsWrittenWhileTheCardIsAway(t *testing.T) {
	disk := memfs.New()
	if err := durable.WriteFile(disk, "there", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	away := guarded{disk, func() error { return logger.ErrCardMissing }}
	before := disk.Ops()
	writers := map[string]func() error{
		"create": func() error { _, err := away.Create("a", 0o644); return err },
		"append": func() error { _, err := away.Append("a", 0o644); return err },
		"edit":   func() error { _, err := away.Edit("there"); return err },
		"rename": func() error { return away.Rename("there", "a") },
		"remove": func() error { return away.Remove("there") },
		"mkdir":  func() error { return away.MkdirAll("d", 0o755) },
	}
	for name, write := range writers {
		if err := write(); !errors.Is(err, logger.ErrCardMissing) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if disk.Ops() != before {
		t.Error("the disk below was touched")
	}
}

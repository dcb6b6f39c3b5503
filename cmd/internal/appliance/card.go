package appliance

import (
	"context"
	"fmt"
	"log/slog"
	"path"
	"path/filepath"
	"strings"
	"time"

	"canseal/internal/durable"
	"canseal/logger"
	"canseal/segment"
)

// awaitCard waits until the card is there, looking each second. Nothing is
// written below ROOT before.
func awaitCard(ctx context.Context, root string, state durable.FS, log *slog.Logger) error {
	check := logger.WatchCard(root, state)
	for said := false; ; {
		err := check()
		if err == nil {
			return nil
		}
		if !said {
			log.Error("nothing is recorded: the card is missing", "root", root, "error", err)
			said = true
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// alone refuses a card on which another canseald records, with a state folder of
// its own: recovery would take the running segment away from under it.
func (a *Appliance) alone(context.Context) error {
	if part := running(a.o.Root, a.device); part != "" {
		return &exitError{ExitLocked, fmt.Errorf("another canseald records on this card, with another state folder: %s is being written; stop it first", part)}
	}
	return nil
}

// running is the segment of a device that somebody is writing on the card at
// root: one of its newest session. Empty: nobody is.
func running(root string, device segment.Device) string {
	card := durable.Dir(root)
	home := path.Dir(segment.Card{Device: device}.Folder(1))
	sessions, err := card.ReadDir(home)
	if err != nil || len(sessions) == 0 {
		return ""
	}
	newest := path.Join(home, sessions[len(sessions)-1].Name())
	entries, _ := card.ReadDir(newest)
	for _, e := range entries {
		name := filepath.Join(root, newest, e.Name())
		if strings.HasSuffix(name, string(segment.Part)) && durable.Held(name) {
			return name
		}
	}
	return ""
}

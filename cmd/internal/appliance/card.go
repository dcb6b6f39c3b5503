package appliance

import (
	"context"
	"log/slog"
	"time"

	"canseal/internal/durable"
	"canseal/logger"
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

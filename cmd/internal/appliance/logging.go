package appliance

import (
	"bytes"
	"io"
	"log/slog"
	"os"
)

// NewLog makes the program's log. Under systemd (JOURNAL_STREAM is set) lines
// carry a priority and no time, because the journal has its own; elsewhere
// they are plain text with the time.
func NewLog(w io.Writer, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if os.Getenv("JOURNAL_STREAM") == "" {
		return slog.New(slog.NewTextHandler(w, options))
	}
	options.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	return slog.New(slog.NewTextHandler(journalWriter{w}, options))
}

// journalWriter puts sd-daemon(3) priorities before each line.
type journalWriter struct{ w io.Writer }

var priorities = []struct{ mark, prefix string }{
	{"level=ERROR", "<3>"}, {"level=WARN", "<4>"}, {"level=INFO", "<6>"}, {"level=DEBUG", "<7>"},
}

func (j journalWriter) Write(line []byte) (int, error) {
	for _, p := range priorities {
		if bytes.HasPrefix(line, []byte(p.mark)) {
			if _, err := io.WriteString(j.w, p.prefix); err != nil {
				return 0, err
			}
			break
		}
	}
	return j.w.Write(line)
}

package terminal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// ErrNone: this process has no terminal.
var ErrNone = errors.New("no terminal to ask at")

// maxSecret bounds an answer in bytes.
const maxSecret = 4096

// terminal is an open one.
type terminal struct {
	in, out *os.File
}

// ReadSecret asks, and reads a line that is not shown. The error is ErrNone
// where there is nobody to ask, and that of the context if it ends first.
func ReadSecret(ctx context.Context, prompt string) (string, error) {
	t, err := open()
	if err != nil {
		return "", ErrNone
	}
	defer t.close()
	show, err := t.hide()
	if err != nil {
		return "", ErrNone
	}
	defer show()
	if _, err := fmt.Fprint(t.out, prompt); err != nil {
		return "", err
	}
	defer fmt.Fprintln(t.out) // the line end that was not shown
	return t.line(ctx)
}

// line reads a line. A read that nobody waits for any more ends with the process.
func (t *terminal) line(ctx context.Context) (string, error) {
	type answer struct {
		text string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		text, err := bufio.NewReader(io.LimitReader(t.in, maxSecret)).ReadString('\n')
		got <- answer{strings.TrimRight(text, "\r\n"), err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case a := <-got:
		return a.text, a.err
	}
}

func (t *terminal) close() {
	t.in.Close()
	if t.out != t.in {
		t.out.Close()
	}
}

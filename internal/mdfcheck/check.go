package mdfcheck

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// Report is what a file is found to be.
type Report struct {
	Finalised bool
	Flags     uint16  // standard flags of what is not finalised
	Blocks    int     // blocks reached from the head
	Groups    []Group // in the order of the file
	Trailing  int64   // bytes of an unfinished record at the end of an open DT
	Problems  []Problem
}

// Group is a channel group.
type Group struct {
	Name    string // acquisition name
	ID      uint64 // record id
	Size    int    // bytes of a record without id
	Stated  uint64 // cycle count of the block
	Records uint64 // records found
}

// Problem is one thing that is not as it has to be.
type Problem struct {
	Name      string // of the rule
	Offset    int64  // in the file
	Want, Got string
}

func (p Problem) String() string {
	return fmt.Sprintf("%s: at byte %d: want %s, got %s", p.Name, p.Offset, p.Want, p.Got)
}

// maxProblems bounds the list: a broken file repeats itself.
const maxProblems = 100

// Err returns nil for a file without problems, else all of them.
func (r *Report) Err() error {
	var errs []error
	for _, p := range r.Problems {
		errs = append(errs, errors.New(p.String()))
	}
	return errors.Join(errs...)
}

// Check judges a file of size bytes. The error is that of reading, or the
// report's own.
func Check(r io.ReaderAt, size int64) (Report, error) {
	c := &checker{r: r, size: size, blocks: map[int64]*block{}}
	c.identification()
	c.walk()
	c.cover()
	c.semantics()
	if c.failed != nil {
		return c.rep, c.failed
	}
	slices.SortStableFunc(c.rep.Problems, func(a, b Problem) int { return cmp.Compare(a.Offset, b.Offset) })
	return c.rep, c.rep.Err()
}

// File judges the file at a path.
func File(path string) (Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return Report{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Report{}, err
	}
	return Check(f, info.Size())
}

// checker holds a file while it is judged.
type checker struct {
	r      io.ReaderAt
	size   int64
	rep    Report
	blocks map[int64]*block // by address
	loaded int64            // bytes of content held
	failed error            // of reading
}

func (c *checker) problem(name string, at int64, want, format string, args ...any) {
	if len(c.rep.Problems) < maxProblems {
		c.rep.Problems = append(c.rep.Problems, Problem{name, at, want, fmt.Sprintf(format, args...)})
	}
}

// expect reports a problem unless ok.
func (c *checker) expect(ok bool, name string, at int64, want string, got any) bool {
	if !ok {
		c.problem(name, at, want, "%v", got)
	}
	return ok
}

// read returns n bytes at an address; nil, with a problem, where there are fewer.
func (c *checker) read(name string, at, n int64) []byte {
	if at < 0 || n < 0 || at > c.size-n {
		c.problem(name, at, fmt.Sprintf("%d bytes", n), "a file of %d", c.size)
		return nil
	}
	b := make([]byte, n)
	if _, err := c.r.ReadAt(b, at); err != nil && !errors.Is(err, io.EOF) {
		c.failed = err
		return nil
	}
	return b
}

package memfs

import (
	"io"
	"io/fs"
	"syscall"
)

// maxFile bounds a file, so that a wild offset does not take the machine's memory.
const maxFile = 1 << 30

// handle is an open file.
type handle struct {
	fs       *FS
	node     *node
	name     string
	writable bool
	appends  bool
	at       int64
	closed   bool
}

func (h *handle) do(kind string, operation func() error) error {
	return h.fs.do(kind, h.name, func() error {
		switch {
		case h.closed:
			return fs.ErrClosed
		case !h.writable && (kind == "write" || kind == "truncate"):
			return syscall.EBADF
		}
		return operation()
	})
}

// Read gives io.EOF bare, as os.File does.
func (h *handle) Read(p []byte) (n int, err error) {
	err = h.do("read", func() error {
		n = h.take(p, h.at)
		h.at += int64(n)
		return nil
	})
	if err == nil && n == 0 && len(p) > 0 {
		err = io.EOF
	}
	return n, err
}

func (h *handle) ReadAt(p []byte, at int64) (n int, err error) {
	err = h.do("read", func() error {
		if at < 0 {
			return syscall.EINVAL
		}
		n = h.take(p, at)
		return nil
	})
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

func (h *handle) take(p []byte, at int64) int {
	if at >= int64(len(h.node.data)) {
		return 0
	}
	return copy(p, h.node.data[at:])
}

func (h *handle) Write(p []byte) (n int, err error) {
	if h.appends {
		n, err = h.write(p, func() int64 { return int64(len(h.node.data)) })
		return n, err
	}
	n, err = h.write(p, func() int64 { return h.at })
	h.at += int64(n)
	return n, err
}

func (h *handle) WriteAt(p []byte, at int64) (int, error) {
	if h.appends {
		return 0, &fs.PathError{Op: "write", Path: h.name, Err: syscall.EBADF}
	}
	return h.write(p, func() int64 { return at })
}

// write puts what there is room for. One that is made to fail puts its first
// half.
func (h *handle) write(p []byte, at func() int64) (n int, err error) {
	tried := false
	err = h.do("write", func() (err error) {
		tried = true
		n, err = h.fs.put(h.node, p, at())
		return err
	})
	if err != nil && !tried {
		h.fs.mu.Lock()
		defer h.fs.mu.Unlock()
		if h.writable && !h.closed && !h.fs.readOnly && !isPower(err) {
			n, _ = h.fs.put(h.node, p[:len(p)/2], at())
		}
	}
	return n, err
}

func (f *FS) put(n *node, p []byte, at int64) (int, error) {
	if at < 0 {
		return 0, syscall.EINVAL
	}
	if at > maxFile || at+int64(len(p)) > maxFile {
		return 0, syscall.EFBIG
	}
	var err error
	if grow := at + int64(len(p)) - int64(len(n.data)); grow > max(0, f.total-f.used) {
		fits := max(0, f.total-f.used) + int64(len(n.data)) - at
		p, err = p[:max(0, min(fits, int64(len(p))))], syscall.ENOSPC
	}
	if len(p) > 0 {
		f.used += max(0, at+int64(len(p))-int64(len(n.data)))
		n.put(p, at)
	}
	return len(p), err
}

func (h *handle) Truncate(size int64) error {
	return h.do("truncate", func() error {
		switch grow := size - int64(len(h.node.data)); {
		case size < 0:
			return syscall.EINVAL
		case size > maxFile:
			return syscall.EFBIG
		case grow > 0 && grow > h.fs.total-h.fs.used:
			return syscall.ENOSPC
		default:
			h.fs.used += grow
		}
		h.node.resize(size)
		return nil
	})
}

func (h *handle) Sync() error {
	return h.do("sync", func() error {
		h.node.sync()
		return nil
	})
}

func (h *handle) Size() (int64, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.closed {
		return 0, fs.ErrClosed
	}
	return int64(len(h.node.data)), nil
}

func (h *handle) Close() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.closed {
		return fs.ErrClosed
	}
	h.closed = true
	return nil
}

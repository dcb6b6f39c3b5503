package buslog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

const (
	dzHead      = 48       // bytes of a DZ block before its packed stream
	maxInflated = 16 << 20 // bytes of one DZ block; the standard advises 4 MiB
	maxDeflate  = 1032     // deflate cannot do better
	maxHeld     = 96 << 20 // bytes of the open DZ blocks of all groups
	maxUnpacked = 128      // bytes of all DZ blocks, for each of the file; records pack to a twentieth
	minUnpacked = 64 << 20 // the least that maxUnpacked comes to
	linkPage    = 512      // links of a list read at once
)

// errBroken tells that bytes are missing here; flow.pos is behind them.
var errBroken = errors.New("a part of the data is missing")

// flow is the bytes of a data link, one part after the other: records, or
// payloads. What cannot be read is reported and passed over.
type flow struct {
	p    *pass
	kind string // of the blocks: DT or SD
	list list
	pos  int64 // of the next byte, from the begin of the data

	at, left int64  // of the part being read, if its bytes stand in the file
	inflated []byte // else: what is left of it
	block    []byte // memory of inflated
}

// list hands out the addresses of the blocks of a data link.
type list struct {
	next  int64 // DL block that follows, or the only block
	links int64 // address of the next link
	left  uint64
	page  []byte
}

// Read delivers bytes. errBroken: some are missing, go on.
func (w *flow) Read(b []byte) (int, error) {
	for w.left == 0 && len(w.inflated) == 0 {
		if err := w.part(); err != nil {
			return 0, err
		}
	}
	if len(w.inflated) > 0 {
		n := copy(b, w.inflated)
		w.inflated = w.inflated[n:]
		w.pos += int64(n)
		return n, nil
	}
	n := int(min(int64(len(b)), w.left))
	n, err := w.p.f.r.ReadAt(b[:n], w.at)
	w.at, w.left, w.pos = w.at+int64(n), w.left-int64(n), w.pos+int64(n)
	if n > 0 {
		return n, nil
	}
	w.p.damage(w.at, w.left, fmt.Errorf("read at %d: %w", w.at, err))
	w.pos, w.left = w.pos+w.left, 0
	return 0, errBroken
}

// part goes to the next block of the data.
func (w *flow) part() error {
	at, err := w.link()
	if err != nil {
		return err
	}
	kind, length, _, err := w.p.f.source.head(at)
	if err != nil {
		return w.broken(at, 0, err)
	}
	switch {
	case kind == "DL" || kind == "HL":
		return w.lists(at, kind, length)
	case kind == "DZ":
		return w.unpack(at, length)
	case kind != w.kind:
		return w.broken(at, 0, corrupt(at, "a block "+w.kind, "%q", kind))
	}
	w.at, w.left = at+headSize, length-headSize
	if w.p.f.openEnd(w.left) {
		w.left = w.p.f.end - w.at
	}
	if over := w.left - (w.p.f.end - w.at); over > 0 {
		w.left -= over
		w.p.damage(at, over, corrupt(at, fmt.Sprintf("%d bytes of records", w.left+over), "the end of the file at %d", w.p.f.end))
	}
	w.left = max(w.left, 0)
	return w.visit(at, headSize+w.left)
}

// visit accounts for a block: were each visited once, their lengths would be
// no more than the file.
func (w *flow) visit(at, length int64) error {
	if w.p.spent += length; w.p.spent <= w.p.f.size {
		return nil
	}
	return w.stop(at, corrupt(at, "blocks that are visited once", "more bytes in them than in the file"))
}

// expand accounts for the n bytes that a block unpacks to.
func (w *flow) expand(at, n int64) error {
	most := max(minUnpacked, maxUnpacked*w.p.f.size)
	if w.p.unpacked += n; w.p.unpacked <= most {
		return nil
	}
	return w.stop(at, corrupt(at, fmt.Sprintf("at most %d bytes in packed blocks", most), "more"))
}

// stop ends the flow for a reason.
func (w *flow) stop(at int64, err error) error {
	w.p.damage(at, 0, err)
	w.left, w.inflated, w.list = 0, nil, list{}
	return io.EOF
}

// broken reports a part and goes behind it; its bytes may be unknown.
func (w *flow) broken(at, bytes int64, err error) error {
	w.p.damage(at, bytes, err)
	w.pos += bytes
	return errBroken
}

// link returns the address of the next block; io.EOF behind the last.
func (w *flow) link() (int64, error) {
	l := &w.list
	for {
		if len(l.page) == 0 && l.left > 0 {
			n := min(l.left, linkPage)
			page := make([]byte, 8*n)
			at := l.links
			l.left, l.links = l.left-n, l.links+int64(len(page))
			if err := w.p.f.read(page, at); err != nil {
				return 0, w.broken(at, 0, err)
			}
			l.page = page
		}
		if len(l.page) == 0 {
			break
		}
		at := int64(binary.LittleEndian.Uint64(l.page))
		l.page = l.page[8:]
		if at != 0 {
			return at, nil
		}
	}
	at := l.next
	if l.next = 0; at == 0 {
		return 0, io.EOF
	}
	return at, nil
}

// lists enters a DL block, or a HL block, which leads to one.
func (w *flow) lists(at int64, kind string, length int64) error {
	_, _, links, _ := w.p.f.source.head(at)
	first := make([]byte, 8)
	if err := w.p.f.read(first, at+headSize); err != nil || links == 0 {
		return w.broken(at, 0, errors.Join(err, corrupt(at, "a list of blocks", "%d links", links)))
	}
	l := &w.list
	if len(l.page) > 0 || l.left > 0 { // a list within a list is none
		return w.broken(at, 0, corrupt(at, "a block "+w.kind, "%q", kind))
	}
	l.next = int64(binary.LittleEndian.Uint64(first))
	if kind == "DL" {
		l.links, l.left = at+headSize+8, links-1
	}
	return w.visit(at, length)
}

// unpack reads a DZ block whole; nothing of one that is damaged is delivered.
func (w *flow) unpack(at, length int64) error {
	var head [dzHead - headSize]byte
	if err := w.p.f.read(head[:], at+headSize); err != nil {
		return w.broken(at, 0, err)
	}
	zip, columns := head[2], binary.LittleEndian.Uint32(head[4:])
	n, k := binary.LittleEndian.Uint64(head[8:]), binary.LittleEndian.Uint64(head[16:])
	var err error
	switch {
	case string(head[:2]) != w.kind:
		err = corrupt(at+headSize, "packed "+w.kind, "%q", head[:2])
	case zip > lastZip:
		err = corrupt(at+26, "zip type 0 to 5", "%d", zip)
	case k > uint64(max(length-dzHead, 0)) || zip/2 == zipDeflate && n > k*maxDeflate+64 || n > maxInflated:
		err = corrupt(at+32, fmt.Sprintf("at most %d bytes in %d packed ones", maxInflated, length-dzHead), "%d in %d", n, k)
	}
	if err != nil {
		return w.broken(at, int64(min(n, math.MaxInt32)), err)
	}
	if err := w.visit(at, length); err != nil {
		return err
	}
	if err := w.expand(at, int64(n)); err != nil {
		return err
	}
	if !w.room(int(n)) {
		return w.broken(at, int64(n), corrupt(at+32, fmt.Sprintf("blocks of %d bytes in all groups together", maxHeld), "%d", w.p.held))
	}
	if zip%2 == 1 && columns > 1 {
		err = w.p.inflater.turned(zip/2, w.block, w.p.f.source, at+dzHead, int(k), int(columns))
	} else {
		err = w.p.inflater.inflate(zip/2, w.block, w.p.f.source, at+dzHead, int(k))
	}
	if err != nil {
		return w.broken(at, int64(n), err)
	}
	w.inflated = w.block
	return nil
}

// room makes memory for n bytes of a block, if all flows together may have it.
func (w *flow) room(n int) bool {
	if n > cap(w.block) {
		if w.p.held += n - cap(w.block); w.p.held > maxHeld {
			return false
		}
	}
	w.block = grown(w.block, n)
	return true
}

// grown returns b with n bytes, a new one only if it has to be.
func grown(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

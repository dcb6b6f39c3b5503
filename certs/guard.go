package certs

// Limits of a bundle file. They bound the work of every parser behind the
// guard: pkcs7 recurses once per level and has no limit of its own.
const (
	maxFile     = 64 << 10 // bytes; ten RSA-4096 certificates in PEM are about 28 KiB
	maxDepth    = 16       // nested elements; a bundle of certificates needs about 10
	maxElements = 4096     // tag-length-value elements in the whole file
	maxCerts    = 10
)

// guard walks BER without recursion and without allocation. elements counts
// over all structures of one file, so that many small blocks cost no more
// than one large one.
type guard struct{ elements int }

// level is one constructed element on the walk's stack.
type level struct {
	end        int  // where it ends; of an indefinite one: where it must have ended
	indefinite bool // ends with two zero bytes
	members    int
}

// check walks the one element that b must hold from its first byte to its
// last. Offsets in its errors count from base.
func (g *guard) check(b []byte, base int) error {
	var stack [maxDepth]level
	depth, pos := 0, 0
	for {
		depth, pos = closed(b, stack[:], depth, pos)
		if depth == 0 && pos > 0 {
			break
		}
		limit := len(b)
		if depth > 0 {
			top := &stack[depth-1]
			limit = top.end
			top.members++
		}
		h, err := header(b[:limit], pos, base)
		if err != nil {
			return err
		}
		if top := depth - 1; top >= 0 && stack[top].indefinite && stack[top].members == 1 && h.tag == 0 && h.length == 0 {
			return refuse(ReasonForm, base+pos, "an empty indefinite element: re-export the file as DER")
		}
		if g.elements++; g.elements > maxElements {
			return refuse(ReasonTooDeep, base+pos, "more than 4096 elements")
		}
		switch {
		case !h.constructed:
			pos = h.content + h.length
		case depth == maxDepth:
			return refuse(ReasonTooDeep, base+pos, "elements nested deeper than 16")
		default:
			stack[depth] = level{end: h.content + h.length, indefinite: h.indefinite}
			if h.indefinite {
				stack[depth].end = limit
			}
			depth, pos = depth+1, h.content
		}
	}
	if pos < len(b) {
		return refuse(ReasonTrailing, base+pos, "bytes after the end of the structure")
	}
	return nil
}

// closed leaves every element that ends at pos.
func closed(b []byte, stack []level, depth, pos int) (int, int) {
	for depth > 0 {
		top := stack[depth-1]
		switch {
		case !top.indefinite && pos == top.end:
		case top.indefinite && top.members > 0 && pos+2 <= top.end && b[pos] == 0 && b[pos+1] == 0:
			pos += 2
		default:
			return depth, pos
		}
		depth--
	}
	return depth, pos
}

// tlv is the head of an element: its content starts at content and, unless
// indefinite, is length bytes long.
type tlv struct {
	tag             byte // the identifier's first byte
	constructed     bool
	indefinite      bool
	content, length int
}

// header reads the head at pos and refuses what does not fit into b.
func header(b []byte, pos, base int) (tlv, error) {
	cut := refuse(ReasonTruncated, base+len(b), "the structure ends too early")
	at := pos
	next := func() (byte, bool) {
		if at >= len(b) {
			return 0, false
		}
		at++
		return b[at-1], true
	}
	id, ok := next()
	for more := id&0x1F == 0x1F; ok && more; {
		var c byte
		if c, ok = next(); at-pos > 5 {
			return tlv{}, refuse(ReasonForm, base+pos, "a tag longer than 5 bytes")
		}
		more = c >= 0x80
	}
	l, more := next()
	if !ok || !more {
		return tlv{}, cut
	}
	h := tlv{tag: id, constructed: id&0x20 != 0, indefinite: l == 0x80, length: int(l)}
	if h.indefinite {
		h.length = 0
		if !h.constructed {
			return tlv{}, refuse(ReasonForm, base+pos, "a primitive element without a length")
		}
	}
	if l > 0x80 {
		if l > 0x84 {
			return tlv{}, refuse(ReasonForm, base+pos, "a length of more than 4 bytes")
		}
		h.length = 0
		for range l & 0x7F {
			c, ok := next()
			if !ok {
				return tlv{}, cut
			}
			h.length = h.length<<8 | int(c)
		}
	}
	h.content = at
	if h.length < 0 || h.length > len(b)-at {
		return tlv{}, cut
	}
	return h, nil
}

package mdf

import "encoding/binary"

// builder lays blocks one after the other, children before their parents, so
// that every link is known when its block is written.
type builder struct {
	b      []byte
	shared map[string]int64 // address by identifier, links and content
}

// block appends a block and returns its address, a multiple of 8.
func (b *builder) block(id string, links []int64, data []byte) int64 {
	b.align()
	at := int64(len(b.b))
	b.b = append(b.b, "##"+id...)
	b.b = append(b.b, le(uint32(0), uint64(24+8*len(links)+len(data)), uint64(len(links)), links)...)
	b.b = append(b.b, data...)
	return at
}

// share is block for one that may serve several parents.
func (b *builder) share(id string, links []int64, data []byte) int64 {
	key := id + string(le(links)) + string(data)
	at, ok := b.shared[key]
	if !ok {
		at = b.block(id, links, data)
		b.shared[key] = at
	}
	return at
}

// text appends a TX block; none for the empty text.
func (b *builder) text(s string) int64 {
	if s == "" {
		return 0
	}
	return b.share("TX", nil, append([]byte(s), 0))
}

// xml appends an MD block.
func (b *builder) xml(s string) int64 {
	return b.share("MD", nil, append([]byte(s), 0))
}

func (b *builder) align() {
	for len(b.b)%8 != 0 {
		b.b = append(b.b, 0)
	}
}

// le lays fixed-size values one after the other, little-endian.
func le(values ...any) []byte {
	var b []byte
	for _, v := range values {
		b, _ = binary.Append(b, binary.LittleEndian, v) // fails for values without a fixed size only
	}
	return b
}

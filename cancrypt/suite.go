package cancrypt

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
)

const maxDevices = 15

// Purposes of pad blocks (P1.4).
const (
	forMessage   = 0x01
	forHeartbeat = 0x02
	forPair      = 0x03
	forFD        = 0x32
)

// Place is what pads and signatures are bound to besides the keys.
type Place struct {
	Context uint8
	Sender  uint8
	Seq     uint16
}

// Suite seals and opens under one methods word. It has memory of its own for
// the work, so one goroutine uses it at a time.
type Suite struct {
	methods Methods
	pads    pads
	sign    speck64
	block   cipher.Block
	work    [2][16]byte
	buf     [160]byte // header and signed bytes, at most 124, of FD 80
}

// NewSuite refuses a methods word that P1 reserves.
func NewSuite(m Methods) (*Suite, error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	return &Suite{methods: m}, nil
}

// pads makes the blocks of the one-time pad of one place in one epoch.
type pads struct {
	maker padMaker
	speck speckPad
	aes   aesPad
	mk    [2]Key // MK and MK'
	input [8]byte
}

// padMaker is one pad cipher: another one is another type.
type padMaker interface {
	key(mk, second *Key)
	pad(input [8]byte) [8]byte
}

type speckPad struct{ schedule speck64 }

func (p *speckPad) key(mk, _ *Key) { p.schedule.expand(mk) }

func (p *speckPad) pad(input [8]byte) (out [8]byte) {
	binary.LittleEndian.PutUint64(out[:], p.schedule.encrypt(binary.LittleEndian.Uint64(input[:])))
	return out
}

// aesPad makes two pad blocks of each AES block: an even one and the odd one
// behind it.
type aesPad struct {
	wide    bool // AES-256
	block   cipher.Block
	in, out [16]byte
}

func (p *aesPad) key(mk, second *Key) {
	k := append(make([]byte, 0, 32), mk[:]...)
	if p.wide {
		k = append(k, second[:]...)
	}
	p.block, _ = aes.NewCipher(k) // 16 and 32 bytes are always taken
}

func (p *aesPad) pad(input [8]byte) [8]byte {
	odd := input[1] & 1
	input[1] &^= 1
	copy(p.in[:], input[:])
	p.block.Encrypt(p.out[:], p.in[:])
	return [8]byte(p.out[8*odd:])
}

// start keys the pads; masked says whether additional inputs count.
func (s *Suite) start(e *Epoch, at Place, masked bool) (mk Key) {
	p := &s.pads
	for i := range p.mk {
		p.mk[i] = e.mixed(at.Seq, uint(64*i))
		if masked {
			xor(p.mk[i][:], e.Mask[:])
		}
	}
	p.maker = &p.speck
	if c := s.methods.Pad(); c != PadSpeck {
		p.aes.wide, p.maker = c == PadAES256, &p.aes
	}
	p.maker.key(&p.mk[0], &p.mk[1])
	p.input = [8]byte{2: at.Context, 3: at.Sender}
	binary.LittleEndian.PutUint16(p.input[4:], e.Number)
	binary.LittleEndian.PutUint16(p.input[6:], at.Seq)
	return p.mk[0]
}

func (p *pads) block(purpose, i uint8) [8]byte {
	p.input[0], p.input[1] = purpose, i
	return p.maker.pad(p.input)
}

// initializer returns the CRC initializer of a sequence and its signature mask
// (P1.5); the pads are started.
func (s *Suite) initializer(e *Epoch, at Place) (init, mask uint16) {
	b, k := s.pads.block(forMessage, 0), 2*(at.Seq%8)
	return binary.LittleEndian.Uint16(b[2:]) ^ binary.LittleEndian.Uint16(e.Perm[k:]), binary.LittleEndian.Uint16(b[:])
}

// header writes the MAC header into the buffer for n signed bytes behind it.
func (s *Suite) header(first byte, n int, e *Epoch, at Place) {
	s.buf[0], s.buf[1], s.buf[2], s.buf[3] = first, byte(n), at.Context, at.Sender
	binary.LittleEndian.PutUint16(s.buf[4:], e.Number)
	binary.LittleEndian.PutUint16(s.buf[6:], at.Seq)
}

// tag signs the n bytes that stand in the buffer behind the header, whose first
// byte keeps the uses of a key apart.
func (s *Suite) tag(m Signature, first byte, n int, e *Epoch, at Place, mk *Key) [4]byte {
	s.header(first, n, e, at)
	if m == AESCMAC {
		s.block, _ = aes.NewCipher(mk[:])
		t := cmac(s.block, s.buf[:8+n], &s.work)
		return [4]byte(t[:])
	}
	s.sign.expand(mk)
	t := s.sign.mac(s.buf[:8+n])
	return [4]byte(t[:])
}

// Message is one message of a sequence with its table record.
type Message struct {
	Record Record
	Len    uint8 // bytes of Data in use, 0-8
	Data   [8]byte
}

// crypt encrypts or decrypts the message at position j of its sequence: the
// record's range, as far as it has bytes, XOR the pad.
func (s *Suite) crypt(j int, m *Message) {
	if m.Record.Count == 0 {
		return
	}
	pad := s.pads.block(forMessage, uint8(1+j))
	for n := m.Record.First; n < min(m.Record.First+m.Record.Count, m.Len, 8); n++ {
		m.Data[n] ^= pad[n]
	}
}

// signature computes the signature over a sequence in plain text.
func (s *Suite) signature(e *Epoch, at Place, mk *Key, head []byte, messages []Message, tail []byte) [2]byte {
	b := append(s.buf[:8], head...)
	for i := range messages {
		m := &messages[i]
		b = binary.LittleEndian.AppendUint32(b, uint32(m.Record.Word))
		b = append(append(b, m.Len), m.Data[:m.Len]...)
	}
	b = append(b, tail...)
	var t [4]byte
	switch n := len(b) - 8; messages[0].Record.Signature {
	case CRCXor:
		init, mask := s.initializer(e, at)
		binary.LittleEndian.PutUint16(t[:], crc16(init, b[8:])^mask)
	case AESCMAC:
		t = s.tag(AESCMAC, 0x22, n, e, at, mk)
	default:
		t = s.tag(SpeckMAC, 0x21, n, e, at, mk)
	}
	return [2]byte(t[:])
}

// Seal encrypts the messages of a sequence in place, 1-8 of them with Len at
// most 8, and returns its preamble and, for more than one, its epilog.
func (s *Suite) Seal(e *Epoch, at Place, messages []Message) (preamble, epilog [8]byte) {
	mk := s.start(e, at, true)
	n := len(messages)
	p := Preamble{Count: uint8(n), Context: at.Context, Epoch: uint8(e.Number & 3), Seq: uint8(at.Seq & 63), Word: messages[0].Record.Announced()}
	preamble = p.Bytes()
	signed := &preamble
	var tail []byte
	if n > 1 {
		p.Epilog, p.Word = true, messages[n-1].Record.Announced()
		epilog = p.Bytes()
		signed, tail = &epilog, epilog[:6]
	}
	sig := s.signature(e, at, &mk, preamble[:6], messages, tail)
	copy(signed[6:], sig[:])
	for j := range messages {
		s.crypt(j, &messages[j])
	}
	return preamble, epilog
}

// Open decrypts the messages of a sequence in place and reports whether its
// signature is right. The epilog is nil for a single message. On a false
// answer the messages are worthless.
func (s *Suite) Open(e *Epoch, at Place, preamble *[8]byte, messages []Message, epilog *[8]byte) bool {
	mk := s.start(e, at, true)
	for j := range messages {
		s.crypt(j, &messages[j])
	}
	signed := preamble
	var tail []byte
	if epilog != nil {
		signed, tail = epilog, epilog[:6]
	}
	sig := s.signature(e, at, &mk, preamble[:6], messages, tail)
	return subtle.ConstantTimeCompare(sig[:], signed[6:]) == 1
}

package simulate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"canseal/can"
	"canseal/cancrypt"
)

// Protection is what stands against attacks on a message.
type Protection uint8

const (
	Secured       Protection = iota // in the message table: a preamble announces it
	HeartbeatOnly                   // its sender's heartbeats vouch for it
	None
)

// Message is what a device sends again and again.
type Message struct {
	Record  cancrypt.Record // identity and producer; for Secured the whole record
	Protect Protection
	Length  uint8   // bytes, 0-8
	Rate    float64 // sequences a second
	Stream  uint8   // messages of a sequence, 1-8
}

// Group is who takes part, what they send, and what all of them know.
type Group struct {
	Members  []uint8 // addresses 1-15, at least two
	Messages []Message
	KeyID    uint8
	Key      cancrypt.Key // permanent group key
	Methods  cancrypt.Methods
	Control  cancrypt.Word // control ID of address 0
	Event    time.Duration
	Inhibit  time.Duration
}

// InsecureKey is a key for demonstrations, known to everybody.
func InsecureKey() (k cancrypt.Key) {
	copy(k[:], "canseal demo key")
	return k
}

// NewGroup returns a group of n devices, 2 to 15, with the default settings of
// the profile and a key that everybody knows. Without messages each device sends
// two: one encrypted, 50 a second, one only authenticated, 10 a second.
func NewGroup(n int, messages ...Message) (Group, error) {
	g := Group{
		KeyID: 3, Key: InsecureKey(), Methods: cancrypt.NewMethods(cancrypt.PadSpeck, cancrypt.SpeckMAC), Control: 0x170,
		Event: time.Second, Inhibit: 250 * time.Millisecond, Messages: messages,
	}
	if n < 2 || n > 15 {
		return g, fmt.Errorf("devices: found %d, wanted 2 to 15", n)
	}
	for a := range uint8(n) {
		g.Members = append(g.Members, a+1)
	}
	if len(messages) == 0 {
		g.Messages = usual(g.Members)
	}
	for i := range g.Messages {
		if r := &g.Messages[i].Record; r.Producer == 0 {
			r.Producer = g.Members[i%n]
		}
	}
	return g, g.check()
}

func usual(members []uint8) (list []Message) {
	for _, a := range members {
		w := 0x200 + 16*cancrypt.Word(a)
		list = append(list,
			Message{Record: cancrypt.Record{Word: w, Producer: a, Count: 8, Signature: cancrypt.SpeckMAC}, Length: 8, Rate: 50, Stream: 1},
			Message{Record: cancrypt.Record{Word: w + 1, Producer: a, Signature: cancrypt.SpeckMAC}, Length: 8, Rate: 10, Stream: 1})
	}
	return list
}

func (g *Group) check() error {
	if _, err := g.Table(); err != nil {
		return err
	}
	secured := false
	for _, m := range g.Messages {
		switch a := m.Record.Producer; {
		case !g.has(a):
			return fmt.Errorf("message %v: device %d is none of the group", m.Record.Word, a)
		case m.Stream > 1 && (m.Protect != Secured || m.Record.Cipher == cancrypt.AESPair):
			return fmt.Errorf("message %v: only messages of the table with cipher pad go in streams", m.Record.Word)
		}
		secured = secured || m.Protect == Secured
	}
	if !secured {
		return errors.New("no message of the group is in its table")
	}
	return nil
}

func (g *Group) has(a uint8) bool { return slices.Contains(g.Members, a) }

// Table returns the group's message table.
func (g *Group) Table() (*cancrypt.Table, error) {
	var records []cancrypt.Record
	for _, m := range g.Messages {
		if m.Protect == Secured {
			records = append(records, m.Record)
		}
	}
	return cancrypt.NewTable(records)
}

// Judge returns the configuration of a judge of this group.
func (g *Group) Judge() (cancrypt.JudgeOptions, error) {
	table, err := g.Table()
	return cancrypt.JudgeOptions{
		Table: table, Members: g.Members, KeyID: g.KeyID, Key: g.Key, Methods: g.Methods, Control: g.Control,
		Event: int64(g.Event), HeartbeatOnly: g.heartbeatOnly(),
	}, err
}

// Identities are all identifiers that a simulation uses.
func (g *Group) Identities() []cancrypt.Word {
	list := []cancrypt.Word{floodWord}
	for a := range cancrypt.Word(16) {
		list = append(list, g.Control+a)
	}
	for _, m := range g.Messages {
		list = append(list, m.Record.Word)
	}
	return list
}

func (g *Group) heartbeatOnly() map[cancrypt.Word]uint8 {
	only := map[cancrypt.Word]uint8{}
	for _, m := range g.Messages {
		if m.Protect == HeartbeatOnly {
			only[m.Record.Word] = m.Record.Producer
		}
	}
	return only
}

// YAML returns section cancrypt of a logger's configuration that judges this
// group. The key is not in it.
func (g *Group) YAML() string {
	var b strings.Builder
	members := strings.Join(strings.Fields(fmt.Sprint(g.Members)), ", ")
	fmt.Fprintf(&b, "cancrypt:\n  key: %d\n  members: %s\n  event: %v\n  inhibit: %v\n", g.KeyID, members, g.Event, g.Inhibit)
	fmt.Fprintf(&b, "  signature: %d\n  pad: %s\n", g.Methods.Signature(), padNames[g.Methods.Pad()])
	if g.Methods.Extra() {
		b.WriteString("  extra: heartbeats\n")
	}
	if slices.ContainsFunc(g.Messages, func(m Message) bool { return m.Protect == Secured && m.Record.Signature == cancrypt.CRCXor }) {
		b.WriteString("  allow_method0: true\n")
	}
	for _, p := range []Protection{Secured, HeartbeatOnly} {
		g.list(&b, p)
	}
	return b.String()
}

var padNames = map[cancrypt.PadCipher]string{cancrypt.PadSpeck: "speck", cancrypt.PadAES128: "aes128", cancrypt.PadAES256: "aes256"}

func (g *Group) list(b *strings.Builder, p Protection) {
	name := map[Protection]string{Secured: "  table:\n", HeartbeatOnly: "  heartbeat_only:\n"}[p]
	for _, m := range g.Messages {
		if m.Protect != p {
			continue
		}
		b.WriteString(name)
		name = ""
		r := &m.Record
		fmt.Fprintf(b, "    - {match: %q, producer: %d", matchOf(r.Word), r.Producer)
		if p == Secured {
			fmt.Fprintf(b, ", encrypt: %d, encrypt_from: %d, cipher: %s, signature: %d", r.Count, r.First, cipherOf(r), r.Signature)
		}
		b.WriteString("}\n")
	}
}

func cipherOf(r *cancrypt.Record) string {
	if r.Cipher == cancrypt.AESPair {
		return "aes"
	}
	return "pad"
}

func matchOf(w cancrypt.Word) string {
	if w&cancrypt.Extended != 0 {
		return fmt.Sprintf("29:0x%08X", w.ID())
	}
	return fmt.Sprintf("11:0x%03X", w.ID())
}

// place tells what a frame is, and in whose name.
type place struct {
	what   string
	sender uint8
	word   cancrypt.Word
}

// scene is what everybody on the bus can know: identifiers and who owns them.
type scene struct {
	control cancrypt.Word
	table   *cancrypt.Table
	only    map[cancrypt.Word]uint8
}

func newScene(g *Group) (*scene, error) {
	table, err := g.Table()
	return &scene{control: g.Control, table: table, only: g.heartbeatOnly()}, err
}

func (s *scene) place(f *can.Frame) place {
	w := cancrypt.WordOf(f)
	if f.Is(can.Remote) || f.Is(can.Error) {
		return place{Unlisted, 0, w}
	}
	if w&^15 == s.control {
		return place{controlKind(f.Len), uint8(w & 15), w}
	}
	if r := s.table.Find(w); r != nil {
		return place{Data, r.Producer, w}
	}
	if a, ok := s.only[w]; ok {
		return place{Unsecured, a, w}
	}
	return place{Unlisted, 0, w}
}

func controlKind(length uint8) string {
	switch length {
	case 5:
		return Heartbeat
	case 8:
		return Preamble
	}
	return Control
}

// frameOf makes a data frame.
func frameOf(w cancrypt.Word, data []byte) can.Frame {
	f := can.Frame{ID: w.ID(), DLC: uint8(len(data)), Len: uint8(len(data))}
	if w&cancrypt.Extended != 0 {
		f.Flags = can.Extended
	}
	copy(f.Data[:], data)
	return f
}

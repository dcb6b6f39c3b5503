package simulate

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"canseal/cancrypt"
)

// MessageSyntax describes what ParseMessage reads.
const MessageSyntax = "ID[@RATE][,producer=A][,length=0-8][,encrypt=0-8][,encrypt_from=0-7][,signature=0-2][,cipher=pad|aes][,stream=1-8][,protect=table|heartbeat|none]"

// ParseMessage reads a message of a device: an identifier in hex, with more than
// three digits one of 29 bits, and its rate a second. What is not said is:
// the producer, the next device in turn; length 8; encrypt 8 bytes; rate 10.
func ParseMessage(s string) (Message, error) {
	head, words, err := split(s)
	m := Message{Length: 8, Rate: 10, Stream: 1, Record: cancrypt.Record{Count: 8, Signature: cancrypt.SpeckMAC}}
	if err == nil {
		err = m.head(head)
	}
	for _, w := range words {
		if err == nil {
			err = m.word(w[0], w[1])
		}
	}
	if err != nil {
		return m, fmt.Errorf("message %q: %w", s, err)
	}
	return m, nil
}

// split takes "a,b=c,d=e" apart.
func split(s string) (head string, words [][2]string, err error) {
	parts := strings.Split(s, ",")
	for _, p := range parts[1:] {
		name, value, found := strings.Cut(p, "=")
		if !found {
			return "", nil, fmt.Errorf("found %q, wanted NAME=VALUE", p)
		}
		words = append(words, [2]string{name, value})
	}
	return parts[0], words, nil
}

func (m *Message) head(s string) (err error) {
	id, rate, found := strings.Cut(s, "@")
	if m.Record.Word, err = parseID(id); err != nil || !found {
		return err
	}
	m.Rate, err = parseRate(rate)
	return err
}

func parseID(s string) (cancrypt.Word, error) {
	digits := strings.TrimPrefix(s, "0x")
	n, err := strconv.ParseUint(digits, 16, 32)
	w := cancrypt.Word(n)
	if len(digits) > 3 {
		w |= cancrypt.Extended
	}
	if err != nil || !w.Valid() || w&cancrypt.Encrypted != 0 || n >= 1<<29 {
		return 0, fmt.Errorf("found %q, wanted an identifier such as 0x123 or 0x18FEF100", s)
	}
	return w, nil
}

func parseRate(s string) (float64, error) {
	rate, err := strconv.ParseFloat(s, 64)
	if err != nil || !(rate >= 0.01 && rate <= 10000) {
		return 0, fmt.Errorf("rate: found %q, wanted 0.01 to 10000 a second", s)
	}
	return rate, nil
}

// number reads a small number.
func number(name, s string, from, to uint8) (uint8, error) {
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil || uint8(n) < from || uint8(n) > to {
		return 0, fmt.Errorf("%s: found %q, wanted %d to %d", name, s, from, to)
	}
	return uint8(n), nil
}

func (m *Message) word(name, value string) (err error) {
	r := &m.Record
	var n uint8
	switch name {
	case "producer":
		r.Producer, err = number(name, value, 1, 15)
	case "length":
		m.Length, err = number(name, value, 0, 8)
	case "encrypt":
		r.Count, err = number(name, value, 0, 8)
	case "encrypt_from":
		r.First, err = number(name, value, 0, 7)
	case "stream":
		m.Stream, err = number(name, value, 1, 8)
	case "signature":
		n, err = number(name, value, 0, 2)
		r.Signature = cancrypt.Signature(n)
	case "cipher":
		err = m.cipher(value)
	case "protect":
		err = m.protect(value)
	default:
		err = fmt.Errorf("found %q, wanted %s", name, MessageSyntax)
	}
	return err
}

func (m *Message) cipher(s string) error {
	switch s {
	case "pad":
		m.Record.Cipher = cancrypt.XORPad
	case "aes":
		m.Record.Cipher = cancrypt.AESPair
	default:
		return fmt.Errorf("cipher: found %q, wanted pad or aes", s)
	}
	return nil
}

func (m *Message) protect(s string) error {
	p, ok := map[string]Protection{"table": Secured, "heartbeat": HeartbeatOnly, "none": None}[s]
	if !ok {
		return fmt.Errorf("protect: found %q, wanted table, heartbeat or none", s)
	}
	m.Protect = p
	return nil
}

// AttackSyntax describes what ParseAttack reads.
const AttackSyntax = "KIND[@RATE][,id=ID][,device=A][,from=DURATION][,for=DURATION][,delay=DURATION]"

// ParseAttack reads an attack: its kind and how often a second.
func ParseAttack(s string) (Attack, error) {
	head, words, err := split(s)
	kind, rate, rated := strings.Cut(head, "@")
	a := Attack{Kind: Kind(kind)}
	k, known := Kinds[a.Kind]
	a.Rate, a.Delay = k.Rate, usualDelay
	switch {
	case err != nil:
	case !known:
		err = fmt.Errorf("found %q, wanted one of %s", kind, strings.Join(KindNames(), ", "))
	case rated:
		a.Rate, err = parseRate(rate)
	}
	for _, w := range words {
		if err == nil {
			err = a.word(w[0], w[1])
		}
	}
	if err != nil {
		return a, fmt.Errorf("attack %q: %w", s, err)
	}
	return a, nil
}

func (a *Attack) word(name, value string) (err error) {
	switch name {
	case "id":
		a.Target, err = parseID(value)
	case "device":
		a.Device, err = number(name, value, 1, 15)
	case "from":
		a.From, err = parseDuration(name, value)
	case "for":
		a.For, err = parseDuration(name, value)
	case "delay":
		a.Delay, err = parseDuration(name, value)
	default:
		err = fmt.Errorf("found %q, wanted %s", name, AttackSyntax)
	}
	return err
}

func parseDuration(name, s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > 1000*time.Hour {
		return 0, fmt.Errorf("%s: found %q, wanted a time such as 5s", name, s)
	}
	return d, nil
}

package appliance

import (
	"errors"
	"fmt"
	"time"

	"canseal/cancrypt"
	"canseal/cancrypt/node"
	"canseal/config"
	"canseal/logger"
)

// controlBase is the control ID of address 0 (cancrypt.md P1.1).
const controlBase = cancrypt.Word(0x170)

// methodsOf packs the methods word of a bus (cancrypt.md P1.14).
func methodsOf(c *config.Cancrypt) cancrypt.Methods {
	pad := map[string]cancrypt.PadCipher{"speck": cancrypt.PadSpeck, "aes128": cancrypt.PadAES128, "aes256": cancrypt.PadAES256}[c.Pad]
	m := cancrypt.NewMethods(pad, cancrypt.Signature(c.Signature)) &^ (3 << 10)
	switch c.Event {
	case 500 * time.Millisecond:
	case time.Second:
		m |= 1 << 10
	case 2 * time.Second:
		m |= 2 << 10
	default:
		m |= 3 << 10
	}
	if c.Extra == "heartbeats" {
		m |= 1 << 15
	}
	return m
}

// wordOf is the identity of the frames that an entry is about.
func wordOf(m config.Match) cancrypt.Word {
	w := cancrypt.Word(m.First)
	if m.Extended {
		w |= cancrypt.Extended
	}
	return w
}

// tableOf is the secure message table. In the FD profile a record's producer
// above 15 stands as 0, "as the frame says", and frames say what is encrypted.
func tableOf(c *config.Cancrypt) (*cancrypt.Table, error) {
	records := make([]cancrypt.Record, len(c.Table))
	for i, s := range c.Table {
		r := cancrypt.Record{
			Word: wordOf(s.Match), Producer: uint8(s.Producer), First: uint8(s.EncryptFrom), Count: uint8(s.Encrypt), Signature: cancrypt.Signature(s.Signature),
		}
		if s.Scope == "pairing" {
			r.Scope = 1
		}
		if s.Cipher == "aes" {
			r.Cipher, r.First, r.Count = cancrypt.AESPair, 0, 8
		}
		if c.Profile == config.ProfileFD {
			r.First, r.Count = 0, min(r.Count, 8)
			if r.Producer > 15 {
				r.Producer = 0
			}
		}
		records[i] = r
	}
	return cancrypt.NewTable(records)
}

// JudgeOptions are the options of the judge of a bus, without its key.
func JudgeOptions(b *config.Bus) (cancrypt.JudgeOptions, error) {
	c := &b.Cancrypt.Cancrypt
	table, err := tableOf(c)
	if err != nil {
		return cancrypt.JudgeOptions{}, err
	}
	o := cancrypt.JudgeOptions{
		Table: table, KeyID: uint8(c.Key), Methods: methodsOf(c), Control: controlBase, Event: int64(c.Event), FD: c.Profile == config.ProfileFD,
		HeartbeatOnly: map[cancrypt.Word]uint8{}, Plaintext: c.LogPlaintext, NoKey: true,
	}
	for _, a := range c.Members {
		o.Members = append(o.Members, uint8(a))
	}
	for _, h := range c.HeartbeatOnly {
		o.HeartbeatOnly[wordOf(h.Match)] = uint8(h.Producer)
	}
	if sends(b) {
		o.Address = uint8(c.Address)
	}
	_, err = cancrypt.NewJudge(o)
	return o, err
}

// groupKeys finds the key of a slot for a bus; the text says why there is none.
type groupKeys func(iface string, slot int) (key cancrypt.Key, reason string)

// judgeOf is how a bus is judged; nil: it is not.
func judgeOf(b *config.Bus, keys groupKeys) *logger.Judge {
	if b.Cancrypt.Role == config.RoleOff {
		return nil
	}
	o, err := JudgeOptions(b)
	if err != nil {
		return nil // refused by CheckConfig
	}
	j := &logger.Judge{Options: o, Profile: b.Cancrypt.Profile, Level: b.Cancrypt.Level, Reason: fmt.Sprintf("no key in slot %d", b.Cancrypt.Key)}
	if keys == nil {
		return j
	}
	if key, reason := keys(b.Interface, b.Cancrypt.Key); reason == "" {
		j.Options.Key, j.Options.NoKey, j.Reason = key, false, ""
	} else {
		j.Reason = reason
	}
	return j
}

// unjudgeable lists the buses whose settings of CANcrypt no group can have.
func unjudgeable(c *config.Config) (problems []config.Problem) {
	for i := range c.Buses {
		b := &c.Buses[i]
		if b.Cancrypt.Role == config.RoleOff {
			continue
		}
		if _, err := JudgeOptions(b); err != nil {
			problems = append(problems, config.Problem{Path: fmt.Sprintf("buses[%d].cancrypt", i), Want: "a table and members that fit each other", Got: err.Error()})
		}
	}
	return problems
}

// groupKey finds the key of a slot in the state folder.
func (a *Appliance) groupKey(iface string, slot int) (cancrypt.Key, string) {
	key, err := node.Store{State: a.state}.Key(node.Holder{Bus: iface}, uint8(slot))
	switch {
	case errors.Is(err, node.ErrNoKey):
		return key, fmt.Sprintf("no key in slot %d", slot)
	case err != nil:
		return key, err.Error()
	}
	return key, ""
}

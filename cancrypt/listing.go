package cancrypt

// listing says what the identifiers of a bus mean.
type listing struct {
	table   *Table
	control Word      // of address 0
	fd      bool      // CANcrypt FD: preambles are those of pairings only
	senders addresses // addresses that produce a group AES record
	pairs   addresses // that produce an AES record of scope 1
}

func newListing(t *Table, control Word, fd bool) listing {
	l := listing{table: t, control: control, fd: fd}
	for _, r := range t.Records() {
		switch {
		case fd:
		case r.Cipher == AESPair && r.Scope == 0:
			l.senders.add(r.Producer)
		case r.Cipher == AESPair:
			l.pairs.add(r.Producer)
		}
	}
	return l
}

// kind is what a control frame of 8 bytes is (P1.10).
type kind uint8

const (
	impossible kind = iota // nothing that its sender sends
	plainHead              // preamble or epilog
	pairHead               // first half of an AES pair of the group
	otherHead              // perhaps one of a pairing
)

func (l *listing) kind(sender uint8, p *Preamble) kind {
	switch {
	case l.plain(sender, p):
		return plainHead
	case l.senders.has(sender):
		return pairHead
	case l.pairs.has(sender):
		return otherHead
	}
	return impossible
}

// plain reports whether a preamble or epilog names a record of its sender.
func (l *listing) plain(sender uint8, p *Preamble) bool {
	r := l.table.Announced(p.Word)
	named := r != nil && r.Producer == sender
	if p.Context == 0 {
		return !l.fd && named && r.Scope == 0 && r.Cipher != AESPair
	}
	if sender != 0 && sender != p.Context {
		return false
	}
	return named && r.Scope == 1 || p.Word == l.control+Word(sender)
}

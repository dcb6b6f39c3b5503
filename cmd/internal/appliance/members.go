package appliance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"canseal/can"
	"canseal/can/socketcan"
	"canseal/cancrypt"
	"canseal/cancrypt/node"
	"canseal/config"
	"canseal/internal/clock"
	"canseal/internal/durable"
	"canseal/logger"
)

// member is a bus's active part in CANcrypt as a service: it waits for the key,
// which may be provided while canseald runs.
type member struct {
	a    *Appliance
	bus  config.Bus
	node atomic.Pointer[node.Node] // nil before there is a key
	told map[string]*line          // by the node's goroutine
}

// line is when a line was last written to events.jsonl, and how often it was not
// since.
type line struct {
	at    time.Time
	count int
}

// sends reports whether a bus has a member: for good, or for one GROUP a boot.
func sends(b *config.Bus) bool {
	return b.Cancrypt.Role == config.RoleMember || b.Cancrypt.Role == config.RoleJudge && b.Cancrypt.GroupOnce
}

// wireMembers makes the members of all buses. A source that stands in for the
// machine's buses has none.
func (a *Appliance) wireMembers() []*member {
	if a.live().buses.capture == nil {
		return nil
	}
	for _, b := range a.live().settings.Buses {
		if sends(&b) {
			a.members = append(a.members, &member{a: a, bus: b})
		}
	}
	return a.members
}

// memberOptions are the options of a bus's member, without its key.
func memberOptions(b *config.Bus) (cancrypt.MemberOptions, error) {
	j, err := JudgeOptions(b)
	if err != nil {
		return cancrypt.MemberOptions{}, err
	}
	c := &b.Cancrypt.Cancrypt
	o := cancrypt.MemberOptions{
		Table: j.Table, Members: j.Members, Address: uint8(c.Address), KeyID: j.KeyID, Methods: j.Methods, Control: j.Control,
		Event: j.Event, Inhibit: int64(c.Inhibit), HeartbeatOnly: j.HeartbeatOnly, Deliver: map[cancrypt.Word]cancrypt.Policy{},
		AllowMethod0: c.AllowMethod0, GroupOnce: c.GroupOnce, Visit: b.Cancrypt.Role != config.RoleMember,
		FD: j.FD, BRS: b.Check.DataBitrate != nil, Random: func([]byte) {},
	}
	for _, h := range c.HeartbeatOnly {
		o.Deliver[wordOf(h.Match)] = []cancrypt.Policy{cancrypt.Untrusted, cancrypt.AfterOne, cancrypt.AfterTwo}[h.Deliver]
	}
	_, err = cancrypt.NewMember(o)
	o.Random = nil
	return o, err
}

// unsendable lists what stands against the members of a configuration.
func unsendable(c *config.Config) (problems []config.Problem) {
	for i := range c.Buses {
		b := &c.Buses[i]
		if !sends(b) {
			continue
		}
		o, err := memberOptions(b)
		if err != nil {
			problems = append(problems, config.Problem{Path: fmt.Sprintf("buses[%d].cancrypt", i), Want: "an address of the group and times that fit each other", Got: err.Error()})
			continue
		}
		for k, t := range b.Transmit {
			if w := wordOf(t.Match); ownedBy(&o, w) {
				problems = append(problems, config.Problem{
					Path: fmt.Sprintf("buses[%d].transmit[%d].match", i, k), Got: w.String(), Want: "an identifier that the member does not send",
					Hint: "the member would take the frame for injected",
				})
			}
		}
	}
	return problems
}

// ownedBy reports whether an identifier is one that a member sends.
func ownedBy(o *cancrypt.MemberOptions, w cancrypt.Word) bool {
	r := o.Table.Find(w)
	return w == o.Control+cancrypt.Word(o.Address) || r != nil && r.Producer == o.Address || o.HeartbeatOnly[w] == o.Address
}

// String names the service.
func (m *member) String() string { return fmt.Sprintf("CANcrypt member on bus %d", m.bus.Number) }

// Run takes part in the group until ctx ends.
func (m *member) Run(ctx context.Context) error {
	n, err := m.built()
	if err != nil {
		return err
	}
	return n.Run(ctx)
}

// built returns the node, which lives as long as the program: it sends no second
// GROUP in a boot that allows one.
func (m *member) built() (*node.Node, error) {
	if n := m.node.Load(); n != nil {
		return n, nil
	}
	o, err := memberOptions(&m.bus)
	if err != nil {
		return nil, err
	}
	key, reason := m.a.groupKey(m.bus.Interface, m.bus.Cancrypt.Key)
	if reason != "" {
		return nil, errors.New(reason)
	}
	o.Key, o.Spent = key, m.spent()
	n, err := node.New(node.Options{Bus: uint8(m.bus.Number), Member: o, Open: m.open, State: m.changed, Event: m.happened, Log: m.a.log})
	if err == nil {
		m.node.Store(n)
	}
	return n, err
}

// open opens the bus for the identifiers of the group.
func (m *member) open() (node.Port, error) {
	o, err := memberOptions(&m.bus)
	if err != nil {
		return nil, err
	}
	var ids []socketcan.ID
	admit := func(w cancrypt.Word) {
		ids = append(ids, socketcan.ID{Number: w.ID(), Extended: w&cancrypt.Extended != 0})
	}
	for a := range cancrypt.Word(16) {
		admit(o.Control + a)
	}
	for _, r := range o.Table.Records() {
		admit(r.Word)
	}
	for _, w := range slices.Sorted(maps.Keys(o.HeartbeatOnly)) {
		admit(w)
	}
	return socketcan.OpenParticipant(socketcan.PortOptions{
		Interface: m.bus.Interface, Bus: uint8(m.bus.Number), Capture: m.a.live().buses.capture, Receive: ids,
	})
}

func (m *member) changed(_ time.Time, s cancrypt.State) {
	state := can.CryptOff + can.State(s)
	m.tell("member " + state.String())
	m.a.live().logger.Report(uint8(m.bus.Number), cancrypt.SecurityEvent{}, state)
	if m.bus.Cancrypt.GroupOnce && s == cancrypt.StateJoin {
		m.spend()
	}
}

// tell writes a line to events.jsonl, the same one at most once in a minute:
// whoever is on the bus could else wear out the card.
func (m *member) tell(what string) {
	l := m.told[what]
	if l == nil {
		if m.told == nil {
			m.told = map[string]*line{}
		}
		l = &line{}
		m.told[what] = l
	}
	l.count++
	if time.Since(l.at) < time.Minute {
		return
	}
	m.a.journal.Add("cancrypt", what, uint8(m.bus.Number), map[string]any{"count": l.count})
	l.at, l.count = time.Now(), 0
}

// groupFile holds a line for each bus whose one GROUP of a boot was sent:
// the boot and the interface.
const groupFile = "group_once"

// spent reports whether the bus's one GROUP of this boot was sent already.
func (m *member) spent() bool {
	b, err := durable.ReadFile(m.a.state, groupFile, 1<<16)
	return err == nil && slices.Contains(strings.Split(string(b), "\n"), m.stamp())
}

// spend remembers that it was, for as long as the machine runs.
func (m *member) spend() {
	if m.spent() {
		return
	}
	old, _ := durable.ReadFile(m.a.state, groupFile, 1<<16)
	var lines []string
	for _, line := range strings.Split(string(old), "\n") {
		if strings.HasPrefix(line, clock.BootID()+" ") {
			lines = append(lines, line)
		}
	}
	lines = append(lines, m.stamp())
	if err := durable.WriteFile(m.a.state, groupFile, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		m.a.log.Warn("one GROUP per boot not remembered", "bus", m.bus.Number, "error", err)
	}
}

func (m *member) stamp() string { return clock.BootID() + " " + m.bus.Interface }

// happened keeps what only the member sees: manipulation of its own frames. All
// else the judge of the bus has in the log.
func (m *member) happened(e cancrypt.SecurityEvent) {
	if e.Kind == cancrypt.Collision || e.Kind == cancrypt.CollisionSuspected {
		e.Time = 0
		m.a.live().logger.Report(uint8(m.bus.Number), e, 0)
	}
}

// status is the member's entry in section cancrypt of device.json.
func (m *member) status() logger.CryptStatus {
	s := logger.CryptStatus{
		Bus: uint8(m.bus.Number), Role: "node", State: "off", Key: m.bus.Cancrypt.Key, Members: []logger.MemberStatus{},
		Verdicts: map[string]uint64{}, Events: map[string]uint64{},
	}
	if o, err := memberOptions(&m.bus); err == nil {
		s.TableCRC = fmt.Sprintf("%04X", o.Table.CRC())
	}
	n := m.node.Load()
	if n == nil {
		_, s.Reason = m.a.groupKey(m.bus.Interface, m.bus.Cancrypt.Key)
		return s
	}
	now := n.Status()
	s.State, s.Since = now.State, rfc3339(now.Since.UnixNano())
	for _, a := range now.Members {
		state := "present"
		switch {
		case slices.Contains(now.Left, a):
			state = "left"
		case slices.Contains(now.Lost, a):
			state = "lost"
		}
		s.Members = append(s.Members, logger.MemberStatus{Address: uint8(a), State: state})
	}
	for what, count := range now.Errors {
		s.Events[what] = uint64(count)
	}
	return s
}

package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"canseal/cancrypt"
	"canseal/cancrypt/node"
	"canseal/cancrypt/offline"
	"canseal/cmd/internal/appliance"
	"canseal/config"
	"canseal/mdf"
)

// bench is what logs are judged with.
type bench struct {
	keys   node.KeySet
	trace  *cancrypt.JudgeOptions // keys and table in one file
	config *config.Config
	seen   string
	out    string
}

// judgeOf is how a bus is judged.
type judgeOf struct {
	options cancrypt.JudgeOptions
	header  mdf.Cancrypt
}

// senders are the heartbeat-only identifiers that a log names, by bus.
type senders map[uint8]map[cancrypt.Word]uint8

func (s senders) note(rec record) {
	r, is := rec.(mdf.Sender)
	if !is || !r.HeartbeatOnly {
		return
	}
	if s[r.Bus] == nil {
		s[r.Bus] = map[cancrypt.Word]uint8{}
	}
	w := cancrypt.Word(r.ID)
	if r.Extended {
		w |= cancrypt.Extended
	}
	s[r.Bus][w] = r.Sender
}

func (j *judging) bench(cmd *cobra.Command) (*bench, error) {
	b := &bench{seen: j.seen, out: j.out}
	text, err := os.ReadFile(j.keys)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	if info, err := os.Stat(j.keys); err == nil && info.Mode().Perm()&0o077 != 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "canseal: %s is open to other users of this machine\n", j.keys)
	}
	if b.trace, err = traceKeys(text); err != nil {
		return nil, fmt.Errorf("%s: %w", j.keys, err)
	}
	if b.trace == nil {
		passphrase, err := passphraseOf(cmd, j.ask, j.passphraseFile)
		if err != nil {
			return nil, err
		}
		if b.keys, err = j.at.store().KeyFile(strings.NewReader(string(text)), passphrase); err != nil {
			return nil, err
		}
	}
	if j.config == "" {
		return b, nil
	}
	file, err := os.ReadFile(j.config)
	if err != nil {
		return nil, err
	}
	c, problems := config.Parse(file)
	if len(problems) > 0 {
		return nil, appliance.WithExit(appliance.ExitConfig, &appliance.ConfigError{File: j.config, Problems: problems})
	}
	b.config = c
	return b, nil
}

// traceKeys reads the description of an example trace; nil: the text is none.
func traceKeys(text []byte) (*cancrypt.JudgeOptions, error) {
	var c struct {
		Keys    map[string]string
		Devices []uint8
		Control struct {
			Base     string
			Extended bool
		}
		Timing struct{ Event int64 } `json:"timing_ms"`
		Table  string                `json:"table_bytes"`
	}
	if json.Unmarshal(text, &c) != nil || c.Table == "" {
		return nil, nil
	}
	table, err1 := hex.DecodeString(c.Table)
	key, err2 := hex.DecodeString(c.Keys["3"])
	base, err3 := strconv.ParseUint(c.Control.Base, 16, 32)
	if err := errors.Join(err1, err3); err != nil || err2 != nil || len(key) != len(cancrypt.Key{}) {
		return nil, errors.New("wanted table_bytes and keys.3 in hex, and control.base")
	}
	o := cancrypt.JudgeOptions{
		Members: c.Devices, KeyID: 3, Key: cancrypt.Key(key), Control: cancrypt.Word(base),
		Methods: cancrypt.NewMethods(cancrypt.PadSpeck, cancrypt.SpeckMAC), Event: c.Timing.Event * 1e6,
	}
	if c.Control.Extended {
		o.Control |= cancrypt.Extended
	}
	var err error
	o.Table, err = cancrypt.ParseTable(table)
	return &o, err
}

// judges are the judges of the buses of a session.
func (b *bench) judges(first *recording, said senders) (all map[uint8]*judgeOf, err error) {
	all = map[uint8]*judgeOf{}
	switch {
	case b.trace != nil:
		all[1] = &judgeOf{options: *b.trace, header: mdf.Cancrypt{Profile: config.Profile, Level: "L2"}}
	case b.config != nil:
		err = b.fromConfig(all)
	default:
		err = b.fromHeader(all, first, said)
	}
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, appliance.Usage(fmt.Errorf("%s does not say how its buses are judged: name a configuration with --config", first.path))
	}
	for bus, j := range all {
		j.describe(bus)
		if j.options.Seen, err = b.remembered(bus); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (b *bench) fromConfig(all map[uint8]*judgeOf) error {
	for i := range b.config.Buses {
		bus := &b.config.Buses[i]
		if bus.Cancrypt.Role == config.RoleOff {
			continue
		}
		o, err := appliance.JudgeOptions(bus)
		if err != nil {
			return fmt.Errorf("buses[%d].cancrypt: %w", i, err)
		}
		o.Address, o.Plaintext = 0, false // the log does not tell which of our own frames were its
		all[uint8(bus.Number)] = &judgeOf{b.keyed(o, bus.Interface), mdf.Cancrypt{Profile: bus.Cancrypt.Profile, Level: bus.Cancrypt.Level}}
	}
	return nil
}

// periods are the event times that a methods word names, in ms.
var periods = [4]int64{500, 1000, 2000, 0}

func (b *bench) fromHeader(all map[uint8]*judgeOf, first *recording, said senders) error {
	for _, c := range first.header.Cancrypt {
		methods := cancrypt.Methods(c.Methods)
		event := periods[methods>>10&3]
		if event == 0 {
			return appliance.Usage(fmt.Errorf("%s does not name the event time of bus %d: name a configuration with --config", first.path, c.Bus))
		}
		var records []cancrypt.Record
		for r := range slices.Chunk(c.Table, 8) {
			if len(r) < 8 {
				return fmt.Errorf("%s: table of bus %d: wanted records of 8 bytes", first.path, c.Bus)
			}
			rec, err := cancrypt.ParseRecord([8]byte(r))
			if err != nil {
				return fmt.Errorf("%s: table of bus %d: %w", first.path, c.Bus, err)
			}
			records = append(records, rec)
		}
		table, err := cancrypt.NewTable(records)
		if err != nil {
			return fmt.Errorf("%s: table of bus %d: %w", first.path, c.Bus, err)
		}
		all[c.Bus] = &judgeOf{b.keyed(cancrypt.JudgeOptions{
			Table: table, Members: c.Members, KeyID: uint8(c.Key), Methods: methods, Control: 0x170, Event: event * 1e6,
			HeartbeatOnly: said[c.Bus], FD: c.Profile == config.ProfileFD,
		}, ""), mdf.Cancrypt{Profile: c.Profile, Level: c.Level}}
	}
	return nil
}

// keyed puts the key in.
func (b *bench) keyed(o cancrypt.JudgeOptions, iface string) cancrypt.JudgeOptions {
	key, known := b.keys.Key(iface, o.KeyID)
	if !known && iface != "" {
		key, known = b.keys.Key("", o.KeyID)
	}
	o.Key, o.NoKey = key, !known
	return o
}

// describe is what the header of a copy says.
func (j *judgeOf) describe(bus uint8) {
	o, h := &j.options, &j.header
	h.Bus, h.Role, h.Key, h.Methods, h.Members = bus, "judge", int(o.KeyID), uint16(o.Methods), o.Members
	h.TableCRC, h.Table = o.Table.CRC(), o.Table.Bytes()[:8*len(o.Table.Records())]
}

// remembered are the start keys that were seen before, if they count.
func (b *bench) remembered(bus uint8) (func([8]byte) bool, error) {
	if b.seen == "" {
		return nil, nil
	}
	data, err := os.ReadFile(filepath.Join(b.seen, fmt.Sprintf("seen%d", bus)))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	known := map[[8]byte]bool{}
	for len(data) >= 8 {
		known[[8]byte(data)], data = true, data[8:]
	}
	return func(tag [8]byte) bool { return known[tag] }, nil
}

// copyOf begins the copy of a log; nil without an output folder.
func (b *bench) copyOf(r *judgement, s *offline.Session, i int, l *recording) (*copying, error) {
	if b.out == "" {
		return nil, nil
	}
	h := l.header
	sum, err := l.sum()
	if err != nil {
		return nil, err
	}
	h.Judged, h.Judge, h.Cancrypt = sum, appliance.Version, r.headers()
	if h.Version == "" {
		h.Version = appliance.Version
	}
	name := copyName(b.out, l.path)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	c := &copying{events: securityOf(s.Events(), i)}
	if l.sorted {
		c.pack, name = name, name+".raw"
	}
	if c.file, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644); err != nil {
		return nil, err
	}
	if c.w, err = mdf.Create(target{c.file}, h); err == nil {
		err = r.introduce(c.w, h.Start)
	}
	if err != nil {
		return nil, errors.Join(err, c.file.Close(), os.Remove(name))
	}
	return c, nil
}

// copyName puts the copy of a segment into the folders of its card below out.
func copyName(out, path string) string {
	name := filepath.Base(path)
	for _, suffix := range []string{".part", ".raw"} {
		name = strings.TrimSuffix(name, suffix)
	}
	if !isSegment(name) {
		name += ".MF4"
	}
	if m := cardTree.FindStringSubmatch(filepath.ToSlash(absolute(path))); m != nil {
		out = filepath.Join(out, filepath.FromSlash(m[2]))
	}
	return filepath.Join(out, name)
}

// securityOf are the records of the events of a segment.
func securityOf(events []offline.Event, segment int) (all []mdf.Security) {
	for _, e := range events {
		if e.Segment == segment {
			all = append(all, mdf.Security{
				Time: e.Time, Count: e.Count, ID: e.Word.ID(), Extended: e.Word&cancrypt.Extended != 0, Bus: e.Bus, Sender: e.Sender, Kind: mdf.SecurityKind(e.Kind),
			})
		}
	}
	slices.SortStableFunc(all, func(a, b mdf.Security) int { return int(min(max(a.Time-b.Time, -1), 1)) })
	return all
}

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"canseal/can"
	"canseal/cancrypt"
	"canseal/cancrypt/offline"
	"canseal/mdf"
)

// judgement is what judging a session came to.
type judgement struct {
	Device   string      `json:"device,omitempty"`
	Session  uint32      `json:"session,omitempty"`
	Logs     []string    `json:"logs"`
	Buses    []busReport `json:"buses"`
	judges   map[uint8]*judgeOf
	verdicts map[uint8]map[int]*[256]uint64 // by bus, and sender: -1 none
	happened map[uint8]map[string]uint64
}

type busReport struct {
	Bus      uint8             `json:"bus"`
	Key      int               `json:"key"` // slot
	NoKey    bool              `json:"no_key,omitempty"`
	TableCRC string            `json:"table_crc"`
	Frames   uint64            `json:"frames"`
	Verdicts map[string]uint64 `json:"verdicts"`
	Senders  []senderReport    `json:"senders"`
	Events   map[string]uint64 `json:"events"`
}

type senderReport struct {
	Sender   *int              `json:"sender"` // claimed; null: frames that claim none
	Verdicts map[string]uint64 `json:"verdicts"`
}

func newJudgement(logs []*recording) judgement {
	r := judgement{verdicts: map[uint8]map[int]*[256]uint64{}, happened: map[uint8]map[string]uint64{}}
	for _, l := range logs {
		r.Logs = append(r.Logs, l.path)
	}
	if first := logs[0]; !first.text {
		r.Device, r.Session = first.header.Device, first.header.Session
	}
	return r
}

func (r *judgement) options() map[uint8]cancrypt.JudgeOptions {
	all := map[uint8]cancrypt.JudgeOptions{}
	for bus, j := range r.judges {
		all[bus] = j.options
	}
	return all
}

func (r *judgement) headers() (all []mdf.Cancrypt) {
	for _, bus := range slices.Sorted(maps.Keys(r.judges)) {
		all = append(all, r.judges[bus].header)
	}
	return all
}

// introduce writes who sends what.
func (r *judgement) introduce(w *mdf.Writer, t int64) error {
	for _, bus := range slices.Sorted(maps.Keys(r.judges)) {
		o := &r.judges[bus].options
		for _, rec := range o.Table.Records() {
			if rec.Producer == 0 {
				continue
			}
			s := mdf.Sender{Time: t, ID: rec.Word.ID(), Extended: rec.Word&cancrypt.Extended != 0, Bus: bus, Sender: rec.Producer, Secured: true}
			if err := w.Append(s); err != nil {
				return err
			}
		}
		for _, word := range slices.Sorted(maps.Keys(o.HeartbeatOnly)) {
			s := mdf.Sender{Time: t, ID: word.ID(), Extended: word&cancrypt.Extended != 0, Bus: bus, Sender: o.HeartbeatOnly[word], HeartbeatOnly: true}
			if err := w.Append(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// count counts the verdict of a frame of a judged bus.
func (r *judgement) count(e *can.Event) {
	j := r.judges[e.Bus]
	if j == nil {
		return
	}
	who := -1
	if sender, claims := offline.Sender(&j.options, &e.Frame); claims {
		who = int(sender)
	}
	if r.verdicts[e.Bus] == nil {
		r.verdicts[e.Bus] = map[int]*[256]uint64{}
	}
	if r.verdicts[e.Bus][who] == nil {
		r.verdicts[e.Bus][who] = &[256]uint64{}
	}
	r.verdicts[e.Bus][who][e.Verdict]++
}

func (r *judgement) events(all []offline.Event) {
	for _, e := range all {
		if r.happened[e.Bus] == nil {
			r.happened[e.Bus] = map[string]uint64{}
		}
		r.happened[e.Bus][mdf.SecurityKind(e.Kind).String()] += e.Count
	}
}

// forged are the verdicts that only an attack or a broken device brings about.
var forged = []can.Verdict{can.AuthenticUnderGuessing, can.SignatureWrong, can.Replayed, can.MessageWithoutPreamble, can.ReplayedSession, can.Injected, can.HeartbeatWrong}

// bad tells whether frames are forged, replayed or injected.
func (r *judgement) bad() bool {
	for _, by := range r.verdicts {
		for _, n := range by {
			if slices.ContainsFunc(forged, func(v can.Verdict) bool { return n[v] > 0 }) {
				return true
			}
		}
	}
	return false
}

// finished fills in what is shown.
func (r *judgement) finished() {
	r.Buses = []busReport{}
	for _, bus := range slices.Sorted(maps.Keys(r.judges)) {
		j := r.judges[bus]
		b := busReport{
			Bus: bus, Key: j.header.Key, NoKey: j.options.NoKey, TableCRC: fmt.Sprintf("%04X", j.header.TableCRC),
			Verdicts: map[string]uint64{}, Senders: []senderReport{}, Events: r.happened[bus],
		}
		for _, who := range slices.Sorted(maps.Keys(r.verdicts[bus])) {
			s := senderReport{Verdicts: map[string]uint64{}}
			if who >= 0 {
				s.Sender = &who
			}
			for code, n := range r.verdicts[bus][who] {
				if n > 0 {
					text := can.Verdict(code).String()
					s.Verdicts[text], b.Verdicts[text], b.Frames = n, b.Verdicts[text]+n, b.Frames+n
				}
			}
			b.Senders = append(b.Senders, s)
		}
		r.Buses = append(r.Buses, b)
	}
}

func printReports(w io.Writer, all []judgement) {
	for i := range all {
		r := &all[i]
		if r.Session != 0 {
			fmt.Fprintf(w, "device %s, session %d, %d segments\n", r.Device, r.Session, len(r.Logs))
		} else {
			fmt.Fprintf(w, "%s\n", strings.Join(r.Logs, ", "))
		}
		for _, b := range r.Buses {
			b.print(w)
		}
		if r.bad() {
			fmt.Fprintln(w, "  frames look forged, replayed or injected; one whose preamble is lost looks so too")
		}
	}
}

func (b *busReport) print(w io.Writer) {
	fmt.Fprintf(w, "  bus %d, table %s, key of slot %d: %d frames\n", b.Bus, b.TableCRC, b.Key, b.Frames)
	if b.NoKey {
		fmt.Fprintf(w, "    the key file has no key for slot %d: what needs a key is not judged\n", b.Key)
	}
	for _, s := range b.Senders {
		name := "no sender"
		if s.Sender != nil {
			name = fmt.Sprintf("sender %d", *s.Sender)
		}
		fmt.Fprintf(w, "    %-10s %s\n", name, counted(s.Verdicts))
	}
	if len(b.Events) > 0 {
		fmt.Fprintf(w, "    %-10s %s\n", "events", counted(b.Events))
	}
}

// counted lists names with their counts, the most frequent first.
func counted(counts map[string]uint64) string {
	names := slices.Sorted(maps.Keys(counts))
	slices.SortStableFunc(names, func(a, b string) int { return int(counts[b]) - int(counts[a]) })
	for i, n := range names {
		names[i] = fmt.Sprintf("%s %d", n, counts[n])
	}
	return strings.Join(names, ", ")
}

package logger

import (
	"canseal/can"
	"canseal/cancrypt"
	"canseal/mdf"
)

// tell passes on what the judge said beside the verdict of event at.
func (j *judge) tell(r *recorder, at uint64) {
	if len(j.out.Late)+len(j.out.Events)+len(j.out.Proven)+len(j.out.Plain) == 0 {
		return
	}
	for _, p := range j.out.Plain {
		j.plaintext(r, p, at)
	}
	for i := range j.out.Late {
		j.late(r, &j.out.Late[i])
	}
	for _, e := range j.out.Events {
		j.event(r, e)
	}
	for _, tag := range j.out.Proven {
		r.remember(j.seen, tag)
	}
	j.out.Reset()
}

// late settles a frame where it waits, or in a record that names it, which is
// behind it by time: a compressed segment is in that order.
func (j *judge) late(r *recorder, l *cancrypt.Late) {
	v := mdf.VerdictChange{Bus: j.bus, Verdict: l.Verdict}
	if l.N == 0 {
		// Stamps may have been written up to 1 µs later, see mdf.Writer.Frame.
		v.From, v.To, v.Sender = r.time.recorded(l.From), r.time.recorded(l.Time)+999, l.Sender
		j.waiting.interval(l.Sender, l.From, l.Time, l.Verdict, func(before can.Verdict) {
			if before == can.Vouched {
				j.verdicts[before]--
			}
			j.count(l.Verdict)
		})
		v.Time = max(r.time.recorded(j.now), v.To)
		r.append(v)
		return
	}
	w := j.waiting.find(l.N)
	if w == nil {
		return
	}
	w.done = true
	j.count(l.Verdict)
	switch {
	case w.e != nil:
		w.e.Verdict = l.Verdict
	case w.time != 0:
		v.From, v.To, v.Scope, v.ID, v.Extended = w.time, w.time, mdf.ScopeIdentifier, l.Word.ID(), l.Word&cancrypt.Extended != 0
		v.Time = max(r.time.recorded(j.now), v.To)
		r.append(v)
	}
	j.waiting.trim()
}

// plaintext records what a frame says, or keeps it until the frame is recorded.
func (j *judge) plaintext(r *recorder, p cancrypt.Plain, at uint64) {
	if p.N != j.n {
		w := j.waiting.find(p.N)
		switch {
		case w == nil:
			return
		case w.e == nil && w.time != 0:
			r.append(j.plainAt(p, w.time))
			return
		}
		at = w.at
	}
	j.plain = append(j.plain, plain{at, p})
}

func (j *judge) plainAt(p cancrypt.Plain, t int64) mdf.Plain {
	return mdf.Plain{
		Time: t, ID: p.Word.ID(), Extended: p.Word&cancrypt.Extended != 0, Bus: j.bus, Sender: p.Sender, Len: p.Len, Data: p.Data,
	}
}

// event counts a security event and passes it on, but not too often.
func (j *judge) event(r *recorder, e cancrypt.SecurityEvent) {
	j.events[e.Kind]++
	now := max(j.now, e.Time)
	if c, passes := j.records.Add(e, now); passes {
		j.record(r, c)
	}
	if c, passes := j.lines.Add(e, now); passes {
		j.line(r, c)
	}
}

func (j *judge) record(r *recorder, c cancrypt.Counted) {
	r.append(mdf.Security{
		Time: r.time.recorded(c.Time), Count: c.Count, ID: c.Word.ID(), Extended: c.Word&cancrypt.Extended != 0,
		Bus: j.bus, Sender: c.Sender, Kind: mdf.SecurityKind(c.Kind),
	})
}

func (j *judge) line(r *recorder, c cancrypt.Counted) {
	d := detail{"sender": c.Sender, "count": c.Count}
	if c.Word != 0 {
		d["id"] = c.Word.String()
	}
	r.tell.tell("cancrypt", mdf.SecurityKind(c.Kind).String(), j.bus, d)
}

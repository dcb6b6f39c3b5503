package uploader

import (
	"bytes"
	"context"
	"crypto/sha256"
	"maps"
	"net/url"
	"path"
	"slices"
	"time"

	"canseal/internal/clock"
	"canseal/segment"
)

// refresh takes in what has happened meanwhile: pokes, Retry, a clock that
// was set; and reads the card again where that is due.
func (u *Uploader) refresh() {
	now := time.Now()
	u.reap()
	select {
	case <-u.poked:
		u.scanned = time.Time{}
	default:
	}
	u.mu.Lock()
	hurry := u.hurry
	u.hurry = false
	u.mu.Unlock()
	if hurry {
		for i := range u.queue {
			u.queue[i].after = time.Time{}
		}
	}
	if hurry || u.breaker.stopped && u.watch.changed(u.o.stamp()) {
		u.breaker = u.breaker.hurry(now)
	}
	if u.scanned.IsZero() || now.Sub(u.scanned) >= u.o.Heartbeat {
		u.scan(now)
	}
}

// scan makes the queue from the card.
func (u *Uploader) scan(now time.Time) {
	u.scanned = now
	listing, err := u.o.Card.Scan()
	if err != nil {
		u.o.Log.Warn("the card cannot be listed", "error", err)
		return
	}
	u.seals = seals{} // the card may be another
	u.settle()
	known := map[segment.Name]trial{}
	for _, it := range u.queue {
		known[it.Name] = it.trial
	}
	u.unpark(now)
	u.mu.Lock()
	parked, resend := maps.Clone(u.parked), u.resend
	u.mu.Unlock()
	u.queue = plan(listing, known, func(n segment.Name) bool {
		_, isParked := parked[n]
		_, isOwed := u.owed[n]
		return isParked || isOwed
	}, func(s segment.Segment) (send, again bool) {
		r := s.Receipt
		plain := s.Sent() && r.Proved == segment.ProvedPlain && u.o.Proved == string(segment.ProvedTLS) && u.names(r)
		return !s.Sent() || plain || resend && (r.Endpoint != u.o.Endpoint || r.Bucket != u.o.Bucket), plain
	})
	u.findStale(listing, known)
}

// names tells whether a receipt names the store of now: its bucket, on the same
// host. Scheme and port are others once the mode is raised.
func (u *Uploader) names(r *segment.Receipt) bool {
	return r.Bucket == u.o.Bucket && hostOf(r.Endpoint) == hostOf(u.o.Endpoint)
}

func hostOf(endpoint string) string {
	e, err := url.Parse(endpoint)
	if err != nil {
		return endpoint
	}
	return e.Hostname()
}

// settle writes the receipts for which the card had no room. One for a segment
// that is not on this card is forgotten: the card was exchanged.
func (u *Uploader) settle() {
	for n, r := range u.owed {
		line, ok, err := u.seals.line(u.o.Card, n)
		if err != nil {
			continue
		}
		if !ok || line.SHA256 != r.SHA256 || u.o.Card.WriteReceipt(n, r) == nil {
			delete(u.owed, n)
		}
	}
}

// unpark takes up segments whose time has come, and names that stand for
// another segment now: the card was exchanged.
func (u *Uploader) unpark(now time.Time) {
	u.mu.Lock()
	parked := maps.Clone(u.parked)
	u.mu.Unlock()
	for n, p := range parked {
		line, ok, err := u.seals.line(u.o.Card, n)
		if due := !p.until.IsZero() && !now.Before(p.until); !due && (err != nil || ok && line.SHA256 == p.sha256) {
			continue
		}
		u.mu.Lock()
		delete(u.parked, n)
		u.mu.Unlock()
	}
}

// arrived notes a segment that is in the store. A receipt that the card has not
// taken is kept in memory and tried again with each scan; after a restart the
// store will say that it has the object.
func (u *Uploader) arrived(it *item, r segment.Receipt, err error) {
	if err != nil {
		u.owed[it.Name] = r
		u.o.Log.Error("receipt not written", "segment", it.Name, "error", err)
	}
	u.o.Confirmed()
	u.o.Log.Info("segment confirmed", "segment", it.Name, "bytes", r.Size, "by", r.By)
	if it.upload != nil {
		u.stale = append(u.stale, stale{it.Name, it.upload, r.By == "complete"})
	}
	u.queue = slices.DeleteFunc(u.queue, func(other item) bool { return other.Name == it.Name })
	u.resume(true)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.state.Sent.Segments++
	u.state.Sent.Bytes += r.Size
	u.state.Last = &Last{it.Session, it.Split, r.At}
}

// failed acts on the class of an error that a segment met, which was sent at
// some time.
func (u *Uploader) failed(i int, err error, began time.Time) {
	it, class := &u.queue[i], ClassOf(err)
	rule := RuleOf(class)
	switch {
	case rule.About == Segment && rule.Action == Park:
		u.park(i, class, err)
	case rule.About == Segment && rule.Action == Retry && it.failures >= rule.Tries:
		u.park(i, class, err)
	case rule.About == Segment && rule.Action == Retry:
		it.after = time.Now().Add(rule.Pause(it.failures, u.o.Random(), 0))
		it.failures++
		u.o.Log.Info("segment will be sent again", "segment", it.Name, "error", err)
	case u.breaker.stopped && began.Before(u.breaker.since):
		// It was on its way together with the one that has stopped the flow.
	default:
		u.stop(err)
		u.suspect(it)
	}
}

// plainPark is how long a segment is left alone in mode low, where anybody on
// the path can utter what parks it.
const plainPark = time.Hour

// parking is a segment that is left alone.
type parking struct {
	class  Class
	sha256 string    // of its seal line
	until  time.Time // zero: until Retry or the next start
}

// park leaves a segment alone.
func (u *Uploader) park(i int, class Class, err error) {
	n := u.queue[i].Name
	p := parking{class: class}
	if line, ok, err := u.seals.line(u.o.Card, n); err == nil && ok {
		p.sha256 = line.SHA256
	}
	if u.o.Proved == string(segment.ProvedPlain) && class != LocalCorruption {
		p.until = time.Now().Add(plainPark)
	}
	u.mu.Lock()
	u.parked[n] = p
	u.mu.Unlock()
	u.queue = slices.Delete(u.queue, i, i+1)
	u.o.Log.Error("segment parked", "segment", n, "class", class, "error", err)
	u.o.Event("segment", "parked", 0, map[string]any{"session": n.Session, "split": n.Split, "class": class.String()})
}

// stop stops the flow for an error of the endpoint.
func (u *Uploader) stop(err error) {
	before := u.breaker
	u.breaker = before.fail(err, time.Now(), u.o.Random())
	u.watch.arm(u.o.stamp())
	b := u.breaker
	if before.stopped && before.class == b.class {
		u.o.Log.Debug("store still refuses", "class", b.class, "failures", b.failures)
		return
	}
	u.o.Log.Warn("upload stopped", "class", b.class, "reason", b.reason, "next", time.Until(b.until).Round(time.Second))
	if before.class != b.class || before.failures == 0 { // not each time that a probe gets through in vain
		u.o.Event("upload", b.state(), 0, map[string]any{"class": b.class.String()})
	}
}

// resume lets the flow run after a success; whole forgets its failures.
func (u *Uploader) resume(whole bool) {
	if u.breaker.stopped {
		u.o.Log.Info("upload goes on", "after", u.breaker.class)
		u.o.Event("upload", "resumed", 0, map[string]any{"class": u.breaker.class.String()})
	}
	u.breaker = u.breaker.pass(whole)
}

// suspect asks for the true reason when a segment meets nothing but resets: a
// refusal that is sent while we still write may look like one. A small object
// gets the whole answer.
func (u *Uploader) suspect(it *item) {
	if it.resets >= 3 && u.o.DeviceJSON != nil {
		it.resets = 0
		u.beatAt = time.Now()
	}
}

// freshAfter is how soon device.json is put again after the end of a stop.
const freshAfter = 10 * time.Second

// beat puts device.json, then events.jsonl where it has changed.
func (u *Uploader) beat(ctx context.Context) {
	probing, pause := u.breaker.probing(), u.o.Heartbeat
	if u.breaker.stopped {
		pause = min(pause, freshAfter) // what was put speaks of the stop
	}
	if err := u.replace(ctx, "device.json", u.o.DeviceJSON()); err != nil {
		u.missed(ctx, "device.json", err)
		return
	}
	u.resume(len(u.queue) == 0)
	u.beatAt = time.Now().Add(pause)
	if u.o.EventsJSON == nil || probing {
		return
	}
	if events, changed := u.o.EventsJSON(); changed {
		u.events = events
	}
	if len(u.events) == 0 {
		return
	}
	if err := u.replace(ctx, "events.jsonl", u.events); err != nil {
		u.missed(ctx, "events.jsonl", err)
		return
	}
	u.events = nil
}

func (u *Uploader) replace(ctx context.Context, name string, data []byte) error {
	_, err := u.o.Store.Replace(ctx, Object{Key: path.Join(u.o.Prefix, string(u.o.Card.Device), name),
		Body: bytes.NewReader(data), Size: int64(len(data)), SHA256: sha256.Sum256(data)})
	if err == nil {
		u.puts++
	}
	return err
}

// missed acts on an error of the heartbeat. What concerns this object alone
// waits for the next one.
func (u *Uploader) missed(ctx context.Context, name string, err error) {
	switch {
	case ctx.Err() != nil:
	case RuleOf(ClassOf(err)).About == Segment:
		u.o.Log.Warn("heartbeat refused", "object", name, "error", err)
		u.beatAt = time.Now().Add(u.o.Heartbeat)
	default:
		u.stop(err)
	}
}

// stamp is the present time and what is known of it.
func (o *Options) stamp() clock.Stamp {
	if o.Clock == nil {
		now := time.Now().UnixNano()
		return clock.Stamp{Time: now, Wall: now, Boot: now}
	}
	return o.Clock.Now()
}

// watch notices that the clock was set or synchronised.
type watch struct {
	base   int64 // wall minus boot time, ns
	synced bool
}

func (w *watch) arm(s clock.Stamp) { *w = watch{s.Wall - s.Boot, s.Synchronised} }

// changed tells whether time has jumped by a second or was synchronised since
// the watch was armed, and arms it again.
func (w *watch) changed(s clock.Stamp) bool {
	before := *w
	w.arm(s)
	return time.Duration(w.base-before.base).Abs() >= time.Second || w.synced && !before.synced
}

func moment(ns int64) time.Time { return time.Unix(0, ns).UTC() }

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

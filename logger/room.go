package logger

import (
	"errors"
	"time"

	"canseal/can"
	"canseal/internal/durable"
	"canseal/segment"
)

// retain deletes when the free space has fallen below the reserve, and tells the
// recorder to stop when there is nothing to delete. At the end of a run it does
// nothing: the next start makes room before it records.
func (k *keeper) retain() {
	space, err := k.space()
	if err != nil || k.ending() {
		return
	}
	reserve := k.o.KeepFree.Of(space.Total)
	v := k.view()
	short := v.Short
	// Room for some more than the reserve, so that not every tick deletes.
	enough := reserve + min(k.splitSize.Load(), reserve)/4
	if space.Free < reserve || short && space.Free < enough {
		lossy, err := k.makeRoom(enough - space.Free)
		if err != nil {
			k.o.Log.Error("segments not deleted", "error", err)
		}
		v.Low = lossy
		if space, err = k.space(); err != nil || k.ending() {
			return
		}
		short = space.Free < reserve || short && space.Free < enough
	} else if space.Free >= enough {
		short, v.Low = false, v.Low && space.Free < enough+k.splitSize.Load()
	}
	k.publish(func(w *keeperView) { w.Short, w.Low, w.Space, w.Reserve = short, v.Low, space, reserve })
}

// space is the room of the card. What the compression uses for its work counts
// as free: it goes, or takes the place of more, and nothing is deleted for it.
func (k *keeper) space() (durable.Space, error) {
	space, err := k.card.FS.Space()
	for _, j := range k.waiting() {
		if j.press != nil {
			space.Free += j.press.written.Load()
		}
	}
	return space, err
}

// spare is how long a segment is left alone that could not be deleted.
const spare = time.Minute

// makeRoom deletes until need bytes are free or nothing is left; lossy tells that
// frames were lost. What cannot be deleted hinders nothing else from going. A
// segment on its way to the store goes when nothing else is left to go.
func (k *keeper) makeRoom(need int64) (lossy bool, err error) {
	listing, err := k.card.Scan()
	if err != nil {
		return false, err
	}
	tried := map[segment.Name]bool{}
	pass := func(n segment.Name) bool { return tried[n] || k.held(n) || time.Now().Before(k.stubborn[n]) }
	aloft := func(n segment.Name) bool { return pass(n) || k.o.Sending(n) }
	var errs []error
	for need > 0 {
		list := choose(listing.Segments, need, !k.o.KeepUnsent, aloft)
		if len(list) == 0 { // nothing else is left
			list = choose(listing.Segments, need, !k.o.KeepUnsent, pass)
		}
		if len(list) == 0 {
			break
		}
		for _, d := range list {
			tried[d.Name] = true
			gone, err := k.delete(d)
			if err != nil {
				errs = append(errs, err)
			}
			if gone {
				need -= d.Size
				lossy = lossy || d.Row.loses()
			}
		}
	}
	return lossy, errors.Join(errs...)
}

// delete removes one segment. A loss is counted before it happens: a power cut
// in between counts one too many, never one too few. When the names beside the
// segment resist, it is gone all the same.
func (k *keeper) delete(d deletion) (gone bool, err error) {
	line, known := k.whatIs(d)
	if d.Row.loses() {
		k.forcing.Lock()
		defer k.forcing.Unlock()
		if k.spent {
			return false, nil
		}
	}
	before := k.chain
	if d.Row.loses() {
		k.chain.Dropped++
		k.saveChain()
	}
	err = k.card.Remove(d.Name)
	if err != nil {
		if _, there := k.card.FS.Stat(k.card.Path(d.Name, segment.Sealed)); there == nil {
			k.stay(d, before)
			return false, err
		}
	}
	delete(k.stubborn, d.Name)
	k.stale.Store(true)
	k.report(d, line, known)
	return true, err
}

// stay takes back the count of a segment that did not go.
func (k *keeper) stay(d deletion, before chain) {
	k.stubborn[d.Name] = time.Now().Add(spare)
	if k.chain != before {
		k.chain = before
		k.saveChain()
	}
}

// whatIs tells what goes with a segment: by its seal line or, if that is not made
// yet and it would be a loss, by its records.
func (k *keeper) whatIs(d deletion) (line segment.SealLine, known bool) {
	if line, known = k.lineOf(d.Name); known || !d.Row.loses() {
		return line, known
	}
	line, err := examine(k.card.FS, k.card.Path(d.Name, segment.Sealed))
	return line, err == nil
}

// report tells of a deletion, and hands a loss to the recorder.
func (k *keeper) report(d deletion, line segment.SealLine, known bool) {
	if d.Row.loses() {
		if l, any := missing(line, known); any {
			k.mu.Lock()
			k.deleted.Add(0, can.LostDeleted, l)
			k.moved += line.Lost
			k.mu.Unlock()
		}
	}
	k.publish(func(v *keeperView) {
		v.Seal = k.sealStatus()
		if d.Row == sentPlain {
			v.PlainDeleted++
		}
	})
	if d.Row != sentProved {
		k.o.Log.Warn("segment deleted", "segment", d.Name.String(), "as", d.Row.String(), "frames", line.Frames)
		k.tell.tell("retention", "deleted "+d.Row.String(), 0,
			detail{"session": d.Session, "split": d.Split, "frames": line.Frames})
	}
}

// missing is the loss that the deletion of an unsent segment is: its frames, and
// those whose gaps it held.
func missing(line segment.SealLine, known bool) (loss, bool) {
	if !known {
		return loss{Times: 1}, true
	}
	if line.Frames+line.Lost+line.Gaps == 0 {
		return loss{}, false
	}
	l := loss{From: line.Start.UnixNano(), To: line.Start.UnixNano(), Count: line.Frames + line.Lost, Times: 1}
	l.AtLeast = line.Lost < line.Gaps // some of them are of unknown size
	if line.Frames > 0 {
		l.From, l.To = line.First.UnixNano(), line.Last.UnixNano()
	}
	return l, true
}

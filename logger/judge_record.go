package logger

import (
	"canseal/can"
	"canseal/mdf"
)

// takeAll records what waits for a verdict too.
func (r *recorder) takeAll() {
	if events, _ := r.queue.pending(); r.judges.ready > 0 {
		r.consume(events[:r.judges.ready])
	}
}

// recordJudged records a frame of a bus that is judged.
func (r *recorder) recordJudged(j *judge, e *can.Event) {
	var err error
	if j.c.Ciphertext(&e.Frame) {
		r.hidden = mdf.Frame{Event: *e, Encrypted: true}
		err = r.seg.w.Append(&r.hidden)
	} else {
		err = r.seg.w.Frame(e)
	}
	switch {
	case err != nil:
		r.fail(err)
	case e != &r.late:
		j.recorded(r, r.seg.w.LastFrame())
	}
}

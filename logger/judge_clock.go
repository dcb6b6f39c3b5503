package logger

// timeline leads between three times of a frame: the kernel's stamp; the
// judge's, which is the stamp without the steps of the clock; and the recorded
// one.
type timeline struct {
	steps  int64 // by which the clock was set since the start, ns
	offset int64 // recorded time minus stamp
	since  int64 // judge's time of the last step; before it:
	before struct{ steps, offset int64 }
	turn   *turn // that has not passed the queue yet
}

// step notes that the clock was set.
func (t *timeline) step(n *turn, offset int64) {
	t.before.steps, t.before.offset = t.steps, t.offset
	t.since = n.step.Now.Wall - int64(n.step.By) - t.steps
	t.steps += int64(n.step.By)
	t.offset = offset
	t.turn = n
}

// judged is the judge's time of a stamp.
func (t *timeline) judged(stamp int64) int64 {
	if t.turn != nil && t.turn.before(stamp) {
		return stamp - t.before.steps
	}
	return stamp - t.steps
}

// recorded is the recorded time of a judge's time.
func (t *timeline) recorded(judged int64) int64 {
	if judged < t.since {
		return judged + t.before.steps + t.before.offset
	}
	return judged + t.steps + t.offset
}

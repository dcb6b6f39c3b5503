package logger

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"canseal/segment"
)

// Other settings of the recorder cost a new segment and no frame; from there on
// segments name the configuration in force.
func TestRetuneLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard()).start()
		r.run(1, 10)
		tuning := r.o.Tuning()
		for range 5 {
			r.send(100, 1)
			tuning.ConfigSHA256 = hash64
			tuning.Flush = 10 * time.Second
			if err := r.logger.Retune(context.Background(), tuning); err != nil {
				t.Fatal(err)
			}
			r.send(100, 1)
		}
		r.run(1, 10)
		r.stop()
		c := inventory(t, r.card)
		if recorded, counted := account(t, len(r.sent), c); counted != 0 || recorded != len(r.sent) {
			t.Errorf("%d recorded, %d lost, of %d", recorded, counted, len(r.sent))
		}
		seals, err := segment.Card{FS: r.card, Device: box}.ReadSeals(1)
		if err != nil || len(seals.Lines) != 6 || seals.Lines[0].Config == hash64 || seals.Lines[5].Config != hash64 {
			t.Errorf("%v, %d lines: %+v", err, len(seals.Lines), seals.Lines)
		}
	})
}

const hash64 = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

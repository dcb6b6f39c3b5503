package cancrypt

import (
	"testing"

	"canseal/can"
)

// A judge that missed a heartbeat holds a wrong key. An honest heartbeat is right
// under it once in 256, and then what waited is given as it was: so honest frames
// are accused after a lost heartbeat in a small share of cases, and never
// authentic by mistake. The package manual states it.
func TestALostHeartbeatSeldomAccusesHonestFrames(t *testing.T) {
	accused, runs, beats := 0, 400, 0
	for seed := range runs {
		b := newBus(t, nil)
		b.start(byte(seed), 1, 2, 3)
		b.wait(int64(seed))
		b.cycle(1, 2, 3)
		stamps := map[uint8]int64{1: b.heartbeat(1, 0), 2: b.heartbeat(2, 0)}
		b.wait(20)
		stamps[3] = b.now + 200_000
		b.update(stamps, 0)
		b.wait(1000)
		var honest []int64
		for range 3 {
			honest = append(honest, b.send(secured, byte(seed)), b.send(cmacked, 2))
			for _, at := range b.cycle(1, 2, 3) {
				honest = append(honest, at)
				beats++
			}
		}
		b.wait(200)
		b.tick()
		for _, at := range honest {
			switch b.settled[at] {
			case can.NotJudged, can.Pending:
			case can.HeartbeatOK: // one in 256
			default:
				accused++
			}
		}
	}
	t.Logf("%d runs, %d heartbeats under a key that the judge lacks: %d frames accused", runs, beats, accused)
	if accused > runs/4 {
		t.Errorf("%d frames accused in %d runs", accused, runs)
	}
}

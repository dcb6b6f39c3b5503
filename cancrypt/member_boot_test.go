package cancrypt

import "testing"

// Members that boot one by one know different nonces at first: their next start
// must be one and the same.
func TestMembersThatBootOneByOneAgree(t *testing.T) {
	for _, apart := range []int64{50, 350, 450, 2000} {
		w := newNetwork(t, 4, 1, nil)
		for i := range w.nodes {
			w.nodes[i].start()
			w.run(apart)
		}
		w.run(9000)
		if !w.agree() {
			t.Errorf("%d ms apart: %v", apart, w.states())
		}
	}
}

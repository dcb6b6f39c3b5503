package simulate

import (
	"os"
	"testing"
	"time"
)

func TestEachAttackShowsItsOwnCode(t *testing.T) {
	for _, name := range KindNames() {
		for _, deaf := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				a, err := ParseAttack(name + ",from=3s")
				if err != nil {
					t.Fatal(err)
				}
				trial, r, _ := run(t, Options{Group: group(t, 4), Length: 30 * time.Second, Attacks: []Attack{a}, Quiet: deaf})
				t.Log(trial.Events)
				r.Text(os.Stdout)
				for _, p := range r.Problems(0.999) {
					t.Error(p)
				}
			})
		}
	}
}

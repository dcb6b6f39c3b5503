package mode

import (
	"slices"
	"testing"
)

// Each mode wants at least what the one before it wants; only plain http is
// advised against.
func TestEachModeWantsMoreThanTheOneBefore(t *testing.T) {
	if !slices.Equal(Names(), []string{"low", "medium", "high"}) {
		t.Fatal(Names())
	}
	var before Row
	for _, name := range Names() {
		r, ok := Of(name)
		if !ok || r.Name != name {
			t.Fatalf("%s: %+v", name, r)
		}
		if before.Server && !r.Server || before.Device && !r.Device || before.Proved == "tls" && r.Proved != "tls" {
			t.Errorf("%s wants less than %s", r.Name, before.Name)
		}
		plain := r.Scheme == "http"
		if r.Server == plain || r.Unsigned == plain || (r.Proved == "plain") != plain || r.BucketSettings == plain || (r.Advice != "") != plain {
			t.Errorf("%+v", r)
		}
		before = r
	}
	for _, name := range []string{"", "off", "LOW", "higher"} {
		if _, ok := Of(name); ok {
			t.Errorf("%q is a mode", name)
		}
	}
}

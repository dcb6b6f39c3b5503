package memfs

import (
	"testing"
)

// seeds are the remainders checked for each cut: the four of Crash, and shares.
const seeds = 10

// EachCrash runs work from the state that setup makes (and Settle settles), once
// for every operation that can change the card, cuts the power before it, and has
// every remainder checked; the last time the power fails right after the work.
// setup may be nil. What run returns after a cut does not matter; without one it
// must be nil. A check reports by the t of its test; the cut is named then.
func EachCrash(t testing.TB, setup func(*FS), run func(*FS) error, check func(*FS)) {
	t.Helper()
	eachCrash(t, New, setup, run, check)
}

// EachCrashOnFAT is EachCrash on the worse file system.
func EachCrashOnFAT(t testing.TB, setup func(*FS), run func(*FS) error, check func(*FS)) {
	t.Helper()
	eachCrash(t, func() *FS { return New().OnFAT() }, setup, run, check)
}

func eachCrash(t testing.TB, make func() *FS, setup func(*FS), run func(*FS) error, check func(*FS)) {
	t.Helper()
	for _, op := range append(operations(t, prepare(make, setup), run), Op{N: 1 << 30, Kind: "none", Name: "after the work"}) {
		if !op.changes() {
			continue
		}
		f := prepare(make, setup)
		f.FailFrom(op.N, ErrPower)
		run(f)
		for seed := range uint64(seeds) {
			named(t, op, seed, func() { check(f.Crash(seed)) })
		}
	}
}

// EachFault runs work once for each of its operations, which fails with fault,
// and only that one. check sees the state and the error of run, nil when the work
// went on in spite of the fault.
func EachFault(t testing.TB, fault error, setup func(*FS), run func(*FS) error, check func(*FS, error)) {
	t.Helper()
	for _, op := range operations(t, prepare(New, setup), run) {
		f := prepare(New, setup)
		f.FailAt(op.N, fault)
		err := run(f)
		f.Fault(nil)
		named(t, op, 0, func() { check(f, err) })
	}
}

func prepare(make func() *FS, setup func(*FS)) *FS {
	f := make()
	if setup != nil {
		setup(f)
	}
	f.Settle()
	return f
}

// operations are those of an undisturbed run.
func operations(t testing.TB, f *FS, run func(*FS) error) (list []Op) {
	t.Helper()
	f.Fault(func(o Op) error {
		list = append(list, o)
		return nil
	})
	if err := run(f); err != nil {
		t.Fatalf("without a fault: %v", err)
	}
	return list
}

// named says at which operation a check failed, also when it ended the test.
func named(t testing.TB, o Op, seed uint64, check func()) {
	t.Helper()
	before := t.Failed()
	defer func() {
		if !before && t.Failed() {
			t.Logf("at operation %d: %s %s; seed %d", o.N, o.Kind, o.Name, seed)
		}
	}()
	check()
}

package table

import (
	"slices"
	"strings"
	"testing"
)

func named(names ...string) (columns []Column) {
	for _, name := range names {
		columns = append(columns, Column{Name: name})
	}
	return columns
}

func TestColumnsOfOneNameAreTwo(t *testing.T) {
	columns := named("x", "Y", "X", "x_2", "x", "y")
	unique(columns)
	var got []string
	for _, c := range columns {
		got = append(got, c.Name)
	}
	if want := []string{"x", "Y", "X_2", "x_2_2", "x_3", "y_2"}; !slices.Equal(got, want) {
		t.Errorf("%q, wanted %q", got, want)
	}
}

func TestManyColumnsOfOneNameTakeNoMoreWorkEach(t *testing.T) {
	const n = 1000
	names := slices.Repeat([]string{"Speed", "speed"}, n/2)
	allocations := testing.AllocsPerRun(1, func() { unique(named(names...)) })
	if allocations > 8*n {
		t.Errorf("%.0f allocations for %d columns", allocations, n)
	}
	columns, length := named(names...), 0
	unique(columns)
	for _, c := range columns {
		length += len(c.Name)
	}
	if most := n * len("speed_1000"); length > most {
		t.Errorf("names of %d bytes, wanted at most %d", length, most)
	}
	if n := len(slices.CompactFunc(columns, func(a, b Column) bool { return strings.EqualFold(a.Name, b.Name) })); n != len(columns) {
		t.Errorf("%d names for %d columns", n, len(columns))
	}
}

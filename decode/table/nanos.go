package table

// InNanos is a table whose times have all their nanoseconds: those of type Time
// become Nanos, and columns that are Exact are left out. The function turns its
// rows.
func InNanos(s *Schema) (*Schema, func(Rows) Rows) {
	n := &Schema{Name: s.Name, Properties: s.Properties}
	var from []int
	for i, c := range s.Columns {
		if c.Exact {
			continue
		}
		if c.Type == Time {
			c.Type = Nanos
		}
		n.Columns, from = append(n.Columns, c), append(from, i)
	}
	return n, func(r Rows) Rows {
		turned := Rows{N: r.N, Fill: func(column int, v *Values) { r.Fill(from[column], v) }}
		if r.Short != nil {
			turned.Short = func(column int, v *Values) Way { return r.Short(from[column], v) }
		}
		return turned
	}
}

package table

// Wants reports whether a signal of a message is chosen.
func (c *Choice) Wants(message, signal string) bool { return wanted(message, signal, c.Signals) }

// Missing is the place of the column that says why signals are null.
func (t *Message) Missing() int { return columnMissing }

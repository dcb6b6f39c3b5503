package table

import (
	"canseal/decode"
)

// mostTexts is how many texts a column may have: their codes have 16 bits.
const mostTexts = 1 << 16

// addTexts adds a column with the descriptions of values for each signal that
// has some. A signal with more than 16 bits can count has none.
func (t *Message) addTexts(m *decode.Message) {
	for _, i := range t.picked {
		s := &m.Signals[i]
		if n := len(s.Choices); n == 0 || n > mostTexts {
			continue
		}
		t.named = append(t.named, i)
		t.schema.Columns = append(t.schema.Columns, Column{
			Name: s.Name + "_text", Type: Text, Nullable: true, Comment: "description of the value of " + s.Name,
		})
	}
}

// fillText fills in the descriptions; a value without one is null.
func (t *Message) fillText(b *decode.Batch, signal int, v *Values) {
	t.ints = b.Raw(signal, t.ints)
	states, _ := b.States(signal, t.states)
	t.states = states
	v.Codes, v.Texts = grow(v.Codes, b.Len()), v.Texts[:0]
	v.null(b.Len())
	known := map[string]uint16{}
	for row, raw := range t.ints {
		text, described := b.Message.Text(signal, raw)
		v.Null[row] = !described || states[row] != decode.Present
		v.Codes[row] = 0
		if !v.Null[row] {
			v.Codes[row] = v.code(text, known)
		}
	}
	if len(v.Texts) == 0 {
		v.Texts = append(v.Texts, "")
	}
}

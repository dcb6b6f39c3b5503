package cancrypt

import (
	"fmt"
	"io"
)

// What holds keys, or schedules made of them, prints its kind alone: the fmt
// package would reach into fields that a Key cannot defend.

func (Suite) Format(f fmt.State, _ rune)  { _, _ = io.WriteString(f, "[suite]") }
func (Judge) Format(f fmt.State, _ rune)  { _, _ = io.WriteString(f, "[judge]") }
func (Search) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[search]") }
func (Member) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[member]") }

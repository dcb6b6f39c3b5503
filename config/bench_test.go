package config

import (
	"strings"
	"testing"
)

func BenchmarkParse(b *testing.B) {
	for name, text := range map[string]string{
		"example":      string(example()),
		"syntax error": strings.Replace(string(example()), "  flush:", "\tflush:", 1),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				Parse([]byte(text))
			}
		})
	}
}

//go:build !linux

package config

import (
	"os"
	"runtime"
)

// hasModes tells whether files have modes at all.
func hasModes(*os.File) bool { return runtime.GOOS != "windows" }

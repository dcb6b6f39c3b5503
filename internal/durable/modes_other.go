//go:build !linux

package durable

import (
	"os"
	"runtime"
)

func keepsModes(*os.File) bool { return runtime.GOOS != "windows" }

//go:build !linux

package main

import "os"

// powerFails never tells anything: only Linux has SIGPWR.
func powerFails() <-chan os.Signal { return nil }

//go:build !linux

package run

func lowest() {}

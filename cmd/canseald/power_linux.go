package main

import (
	"os"
	"os/signal"
	"syscall"
)

// powerFails tells of SIGPWR: the power is about to go.
func powerFails() <-chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGPWR)
	return c
}

package main

import (
	"sync"
)

// beside does work in the order in which it comes, while its owner goes on.
type beside struct {
	work chan func() error
	left sync.WaitGroup

	lock sync.Mutex
	err  error // the first one; what comes behind it is not done
}

// ahead is how much work may wait.
const ahead = 2

func newBeside() *beside {
	b := &beside{work: make(chan func() error, ahead)}
	go func() {
		for f := range b.work {
			if b.failed() == nil {
				b.fail(f())
			}
			b.left.Done()
		}
	}()
	return b
}

func (b *beside) failed() error {
	b.lock.Lock()
	defer b.lock.Unlock()
	return b.err
}

func (b *beside) fail(err error) {
	b.lock.Lock()
	defer b.lock.Unlock()
	b.err = err
}

// do hands work over. An error is that of work before.
func (b *beside) do(f func() error) error {
	b.left.Add(1)
	b.work <- f
	return b.failed()
}

// wait waits for all work, and returns the first error.
func (b *beside) wait() error {
	b.left.Wait()
	return b.failed()
}

// close ends it, once all work is done.
func (b *beside) close() { close(b.work) }

package run

import "runtime"

// Background does something that may take long and must never be in anybody's
// way: on a thread of its own that has the lowest priority for processor and
// storage, where the system has such. The thread ends with it.
func Background(do func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: a goroutine that ends locked takes its thread along
		lowest()
		do()
	}()
	<-done
}

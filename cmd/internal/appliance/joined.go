package appliance

import (
	"errors"
	"io"
	"sync"

	"canseal/can"
)

// joined is several sources as one. Each has buses of its own, so the order of
// each bus is kept. It ends when all have ended.
type joined struct {
	sources []can.Source
	batches chan []can.Event
	free    chan []can.Event
	left    []can.Event // of a batch
	whole   []can.Event // the batch
}

const (
	joinedBatches = 8
	joinedBatch   = 512
)

// join makes one source of several; of one, that one.
func join(sources ...can.Source) can.Source {
	if len(sources) == 1 {
		return sources[0]
	}
	j := &joined{sources: sources, batches: make(chan []can.Event), free: make(chan []can.Event, joinedBatches)}
	for range joinedBatches {
		j.free <- make([]can.Event, joinedBatch)
	}
	var all sync.WaitGroup
	for _, s := range sources {
		all.Go(func() { j.read(s) })
	}
	go func() { all.Wait(); close(j.batches) }()
	return j
}

// read hands over what a source has, until its end. An error of one is its end:
// the others go on.
func (j *joined) read(s can.Source) {
	for {
		buf := <-j.free
		n, err := s.Read(buf[:joinedBatch])
		if n > 0 {
			j.batches <- buf[:n]
		} else {
			j.free <- buf
		}
		if err != nil {
			return
		}
	}
}

func (j *joined) Read(buf []can.Event) (int, error) {
	if len(j.left) == 0 {
		if j.whole != nil {
			j.free <- j.whole[:joinedBatch]
			j.whole = nil
		}
		batch, ok := <-j.batches
		if !ok {
			return 0, io.EOF
		}
		j.whole, j.left = batch, batch
	}
	n := copy(buf, j.left)
	j.left = j.left[n:]
	return n, nil
}

func (j *joined) Close() error {
	var err error
	for _, s := range j.sources {
		err = errors.Join(err, s.Close())
	}
	return err
}

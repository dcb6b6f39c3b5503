//go:build !linux && !darwin && !windows

package terminal

func open() (*terminal, error) { return nil, ErrNone }

func (t *terminal) hide() (show func(), err error) { return nil, ErrNone }

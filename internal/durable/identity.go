package durable

import "fmt"

// Identity tells one card from another and from the empty mount point beneath:
// the id of the file system that holds path, and whether path is its mount
// point. The id lasts as long as the file system does; it is empty where the
// system has none. Elsewhere than on Linux both are the best that is known.
func Identity(path string) (id string, mountPoint bool, err error) {
	id, mountPoint, err = identity(path)
	if err != nil {
		return "", false, fmt.Errorf("identity of %s: %w", path, err)
	}
	return id, mountPoint, nil
}

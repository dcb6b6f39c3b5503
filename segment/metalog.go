package segment

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"canseal/internal/durable"
)

// metaLog is the file by which a CANedge user sets the next SESSION.
const metaLog = "meta/meta_log.json"

const maxMetaLog = 4096

// maxWish leaves at least one number behind it.
const maxWish = LastSession - 1

// ParseMetaLog reads {"session": n}: the number the next SESSION shall have, from
// 1 to 99,999,998: the last number is no wish, because no session could follow.
// Other fields are ignored.
func ParseMetaLog(data []byte) (uint32, error) {
	var m struct {
		Session *uint32 `json:"session"`
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return 0, fmt.Errorf("%s: %w", metaLog, err)
	}
	if m.Session == nil || *m.Session == 0 || *m.Session > maxWish {
		return 0, fmt.Errorf(`%s: wanted {"session": n}, n from 1 to %d`, metaLog, maxWish)
	}
	return *m.Session, nil
}

// WantedSession is the SESSION that meta/meta_log.json asks for, 0 without that
// file.
func (c Card) WantedSession() (uint32, error) {
	data, err := durable.ReadFile(c.FS, metaLog, maxMetaLog)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return ParseMetaLog(data)
}

// ConsumeMetaLog removes meta/meta_log.json, when its number is in the state
// folder, and the folder meta if nothing else is in it.
func (c Card) ConsumeMetaLog() error {
	folder := path.Dir(metaLog)
	if err := remove(c.FS, metaLog); err != nil {
		return fmt.Errorf("consume %s: %w", metaLog, err)
	}
	entries, err := readDir(c.FS, folder)
	if err != nil {
		return fmt.Errorf("consume %s: %w", metaLog, err)
	}
	if len(entries) > 0 {
		return c.FS.SyncDir(folder)
	}
	if err := remove(c.FS, folder); err != nil {
		return fmt.Errorf("consume %s: %w", metaLog, err)
	}
	return c.FS.SyncDir(".")
}

package appliance

import (
	"canseal/logger"
	"canseal/uploader"
)

// live is what works at a moment: one configuration, and what was built from
// it. It is replaced as a whole when settings change, never written to.
type live struct {
	settings *settings // uploads work by it
	recorded *settings // the recorder works by it: the candidate's, while that is on trial
	buses    *buses
	logger   *logger.Logger
	store    *store             // nil: uploads are off
	uploader *uploader.Uploader // the same
}

// live is what works now; nil parts are not built yet.
func (a *Appliance) live() *live { return a.working.Load() }

// change replaces what works; one goroutine at a time.
func (a *Appliance) change(how func(*live)) {
	next := *a.live()
	how(&next)
	a.working.Store(&next)
}

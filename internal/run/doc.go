// Package run starts, watches and stops the components of a program.
//
// A component is built with New(Options) and has one method that works,
// Run(ctx): it returns when its context ends or when it has nothing left to
// do. There is no Start, no Stop and no stored context.
//
// Two kinds of components exist. The recording is run by its caller: when it
// ends, the program ends. Services are run by Service: one that fails or
// panics is started again after a pause of 1 s that doubles up to 1 min, and
// falls back to 1 s after a minute of work. A service that fails cannot stop
// anything else.
//
//	          Run ends with an error, or panics
//	running ───────────────────────────────────► failed
//	   ▲                                           │ pause 1 s .. 1 min
//	   └───────────────────────────────────────────┘
//	   │ Run returns nil, or the context has ended
//	   ▼
//	stopped
//
// Background is for work that must never be in anybody's way: it gets a thread
// of the lowest priority.
//
// Notify tells systemd what it wants to know (sd_notify(3)); outside of
// systemd it does nothing.
package run

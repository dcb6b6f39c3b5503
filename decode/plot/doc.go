// Package plot makes a page of charts that any browser shows without a network:
// signals over time, with the stretches shaded in which frames are missing or
// nobody vouches for them.
//
//	Page ─ Axis     one time axis: what is panned and zoomed together
//	        ├ Lane      a message: stretches of its own
//	        │  └ Series     a signal: a chart
//	        └ stretches that all lanes have
//
// # Size
//
// A series keeps whole samples until it has its share of Options.Points. Then
// each eight of its points, of equal numbers of samples, become four: the first,
// the last, the lowest and the highest. What is drawn has therefore been
// measured, at the time that is told, and no peak is lost. Stretches are joined
// where they lie closest; the gravest colour stays. So neither memory nor page
// grow with the recording.
//
// # Safety
//
// Names, units and texts come from files of others. They travel as JSON in which
// <, > and & are escaped, and the script shows them as text alone. A policy in
// the page (Content-Security-Policy) lets the browser run no other script, and
// load nothing. Texts are cut to 200 bytes.
package plot

// Package terminal asks the person at the terminal of this process, whatever
// its standard input and output are connected to.
//
// It knows the terminals of Linux and macOS (/dev/tty) and of Windows (CONIN$,
// CONOUT$); elsewhere there is none.
package terminal

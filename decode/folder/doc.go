// Package folder makes files below one folder, whatever names it is given.
//
// Name is the one encoder by which words of foreign files (messages, devices)
// become parts of paths: letters, digits, "_" and "-" stay, and "." but at the
// begin and the end; other bytes become %XX, as Hive has it. A word longer than
// 100 bytes is cut, and ends with ~ and eight digits of its SHA-256. No name is
// empty, or one that Windows keeps for devices.
//
// All is done through an os.Root, so that no name and no symbolic link leads
// out of the folder.
//
// A file has the name NAME.new until it is closed: what bears its own name is
// whole. Names that differ only in case are taken for equal: the second one
// gets "-2" before its ending. At most 64 files are held open; others are
// opened again when something is written to them.
package folder

// Package dbc reads DBC files.
package dbc

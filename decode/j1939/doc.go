// Package j1939 knows the identifiers of J1939 and puts its long messages together.
package j1939

// Package decode turns frames into signals.
package decode

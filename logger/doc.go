// Package logger records: from a source of events to sealed segments on a card.
package logger

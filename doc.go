// Package beaker keeps HTTP sessions.
package beaker

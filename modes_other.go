//go:build windows || plan9

package beaker

// hasModes says whether file modes mean anything here.
const hasModes = false

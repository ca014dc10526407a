// Package guide is the code of the guide in docs: one file for each page, with a test.
// It is not for importing.
package guide

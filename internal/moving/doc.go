// Package moving holds, side by side, the same small site with another session library
// and with this one, for the pages on moving from one to the other. Its tests send both
// the same requests. It is a module of its own, never released, because the other
// libraries are third-party requirements.
package moving

// Package memstore keeps sessions in the memory of one process.
//
//	sessions, err := memstore.New(nil)
//
// It keeps every promise of [beaker.Store] within one process, and it is bounded:
// a client that opens sessions without end makes the store drop anonymous sessions,
// never the memory of the machine or somebody's sign-in. See [Options] for the rule.
// What it does not do is outlive its process: after a restart everybody is anonymous
// again, and two processes do not see each other's sessions.
//
// Records are immutable, so the store hands out the one that it keeps and copies
// nothing: Load does not allocate.
//
// The store starts no goroutine and reads no clock. Expired sessions go when
// somebody calls [Store.Purge], which a beaker.Manager does on its own, or when
// their room is needed.
package memstore

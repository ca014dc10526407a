package leaks

import "io"

// WatchInto is Watch with another place for its report.
func WatchInto(m Runner, report io.Writer) Runner { return watcher{m, report} }

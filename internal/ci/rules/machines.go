package rules

import (
	"bytes"
	"fmt"
	"regexp"
)

// machines matches what is true on one machine only. The alternatives are written
// so that they do not match themselves.
var machines = regexp.MustCompile(`(?:^|[^\w./*-])(/(?:work|root)/|/tmp[/]bash|/home[/]\w+/|/Users[/]\w+/)` +
	`|((?:proxy|sum)[.]golang[.]org|registry[.]npmjs[.]org|(?:deb|security)[.]debian[.]org|pypi[.]org/simple|files[.]pythonhosted[.]org)`)

// A path of somebody's machine, or the host that their package manager happens to
// use, is wrong everywhere else.
func noMachineNames(t *Tree) (bad []string) {
	for _, name := range t.Files {
		data, err := t.Read(name)
		if err != nil {
			bad = append(bad, name+": "+err.Error())
			continue
		}
		if bytes.IndexByte(data, 0) >= 0 {
			continue // binary
		}
		n := 0
		for line := range bytes.Lines(data) {
			n++
			if m := machines.FindSubmatch(line); m != nil {
				bad = append(bad, fmt.Sprintf("%s:%d: names a machine: %s", name, n, append(m[1], m[2]...)))
			}
		}
	}
	return bad
}

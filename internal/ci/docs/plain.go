package main

import (
	"encoding/json"
)

// plain looks at the blocks that are not Go.
func (c *checker) plain() {
	for _, d := range c.docs {
		for _, b := range d.blocks {
			if b.used {
				continue
			}
			switch b.lang() {
			case "go", "sh", "console": // see fragments, programs and runCommands
			case "text", "sql", "diff", "ini", "nginx", "caddy":
				b.used = true
			case "json":
				b.used = true
				if !json.Valid([]byte(b.text)) {
					c.bad(d.name, b.line, "is not JSON")
				}
			case "js", "html", "python":
				c.bad(d.name, b.line, "nothing tests this block: copy it from a tested file, with an example comment")
			case "":
				c.bad(d.name, b.line, "the block does not say what it is: write go, sh, console, text, json, ...")
			default:
				c.bad(d.name, b.line, "blocks of %q are not known here: see internal/ci/docs/plain.go", b.lang())
			}
		}
	}
}

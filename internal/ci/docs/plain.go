package main

import (
	"encoding/json"
	"regexp"
	"strings"
)

// plain looks at the blocks that are not copied from files.
func (c *checker) plain() {
	for _, d := range c.docs {
		c.indented(d)
		for _, b := range d.blocks {
			if b.used {
				continue
			}
			switch b.lang() {
			case "sh", "console": // see runCommands
			case "go":
				if !isProgram(b.text) { // see programs
					c.bad(d.name, b.line, "no test runs this block: copy it from a file that one runs, with an example comment")
				}
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

var listItem = regexp.MustCompile(`^ {0,3}(?:[-*+]|\d+[.)])\s`)

// indented refuses code that is only indented. In a list an indented line goes on with
// the item.
func (c *checker) indented(d *document) {
	fenced := map[int]bool{}
	for _, b := range d.blocks {
		for n := b.line; n <= b.end; n++ {
			fenced[n] = true
		}
	}
	inList, blank := false, true
	for i, line := range d.lines {
		text := strings.TrimSpace(line)
		deep := strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "\t")
		switch {
		case fenced[i+1]:
		case text == "":
			blank = true
			continue
		case listItem.MatchString(line):
			inList = true
		case line[0] != ' ' && line[0] != '\t' && blank:
			inList = false
		case deep && blank && !inList:
			c.bad(d.name, i+1, "code that is indented and not fenced: nothing can tell what it is")
		}
		blank = false
	}
}

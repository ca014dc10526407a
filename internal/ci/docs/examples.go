package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// source is where a block was copied from.
type source struct {
	file, region string
	first, last  int // lines of the region, from 1
	doc          string
	line         int
}

// sources are those of all blocks, for executed.
func (c *checker) sources() []source {
	var all []source
	for _, d := range c.docs {
		for _, b := range d.blocks {
			for ref := range strings.FieldsSeq(b.marker) {
				file, region, _ := strings.Cut(ref, "#")
				text, err := c.read(file)
				if err != nil {
					continue // examples has told
				}
				_, first, last, err := regionOf(text, region)
				if err == nil {
					all = append(all, source{file, region, first, last, d.name, b.line})
				}
			}
		}
	}
	return all
}

// examples compares the blocks that are copied from files with the files.
func (c *checker) examples(write bool) error {
	for _, d := range c.docs {
		lines := d.lines
		changed := false
		for _, b := range slices.Backward(d.blocks) { // so that line numbers hold
			if b.marker == "" {
				continue
			}
			b.used = true
			want, err := c.example(b)
			if err != nil {
				c.bad(d.name, b.line, "%v", err)
				continue
			}
			c.counts["copied from tested files"]++
			if want == b.text {
				continue
			}
			if !write {
				c.bad(d.name, b.line, "is not what stands in %s%s: run make docs", b.marker, firstDifference(b.text, want))
				continue
			}
			var body []string
			for line := range strings.Lines(want) {
				if line = strings.TrimRight(line, "\n"); line != "" {
					line = b.indent + line
				}
				body = append(body, line)
			}
			lines = append(lines[:b.line:b.line], append(body, lines[b.end-1:]...)...)
			changed = true
		}
		if changed {
			text := strings.Join(lines, "\n")
			if err := os.WriteFile(c.path(d.name), []byte(text), 0o644); err != nil {
				return err
			}
			*d = *parse(d.name, text)
			for _, b := range d.blocks {
				b.used = b.marker != ""
			}
		}
	}
	c.markersWithoutBlock()
	return nil
}

// markersWithoutBlock finds comments that were meant to be about a block.
func (c *checker) markersWithoutBlock() {
	for _, d := range c.docs {
		at := map[int]bool{}
		for _, b := range d.blocks {
			at[b.line-1] = b.marker != "" || b.run != "" || b.runBy != ""
		}
		for _, s := range d.comments {
			if (strings.HasPrefix(s.text, "example") || strings.HasPrefix(s.text, "run")) && !at[s.line] {
				c.bad(d.name, s.line, "the comment is about no block: write example:, run: or run-by: on the line before one")
			}
		}
	}
}

func (c *checker) example(b *block) (string, error) {
	var parts []string
	for ref := range strings.FieldsSeq(b.marker) {
		file, region, _ := strings.Cut(ref, "#")
		if !c.has(file) {
			return "", fmt.Errorf("there is no file %s", file)
		}
		text, err := c.read(file)
		if err != nil {
			return "", err
		}
		part, _, _, err := regionOf(text, region)
		if err != nil {
			return "", fmt.Errorf("%s: %w", file, err)
		}
		if strings.TrimSpace(part) == "" {
			return "", fmt.Errorf("%s: region %q is empty", file, region)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "\n"), nil
}

var regionLine = regexp.MustCompile(`^\s*(?://|#|<!--)\s?docs:(begin|end)\s+([\w-]+)\s*(?:-->)?$`)

// regionOf returns a region of a text without the indentation that its lines have in
// common and without the marks of regions in it, and its first and last line.
func regionOf(text, region string) (part string, first, last int, err error) {
	var body []string
	inside, n := region == "", 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, "\n")
		m := regionLine.FindStringSubmatch(line)
		switch {
		case m != nil && m[2] == region && m[1] == "begin":
			if first > 0 {
				return "", 0, 0, fmt.Errorf("region %q begins twice", region)
			}
			inside, first = true, n+1
		case m != nil && m[2] == region:
			if !inside {
				return "", 0, 0, fmt.Errorf("region %q ends before it begins", region)
			}
			inside, last = false, n-1
		case m != nil:
		case inside:
			body = append(body, line)
		}
	}
	if region == "" {
		first, last = 1, n
	}
	switch {
	case first == 0:
		return "", 0, 0, fmt.Errorf("there is no region %q", region)
	case last == 0 && n > 0:
		return "", 0, 0, fmt.Errorf("region %q does not end", region)
	}
	if len(body) == 0 {
		return "", first, last, nil
	}
	return strings.Join(dedent(body), "\n") + "\n", first, last, nil
}

// dedent removes the white space that all lines begin with, and empty lines around.
func dedent(lines []string) []string {
	for len(lines) > 0 && strings.TrimSpace(lines[0]) == "" {
		lines = lines[1:]
	}
	for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1]) == "" {
		lines = lines[:len(lines)-1]
	}
	common, set := "", false
	for _, line := range lines {
		if strings.TrimSpace(line) == "" {
			continue
		}
		indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		if !set {
			common, set = indent, true
		}
		for !strings.HasPrefix(indent, common) {
			common = common[:len(common)-1]
		}
	}
	out := make([]string, len(lines))
	for i, line := range lines {
		if out[i] = strings.TrimPrefix(line, common); strings.TrimSpace(line) == "" {
			out[i] = ""
		}
	}
	return out
}

func firstDifference(have, want string) string {
	h, w := strings.Split(have, "\n"), strings.Split(want, "\n")
	for i := range max(len(h), len(w)) {
		var a, b string
		if i < len(h) {
			a = h[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			return fmt.Sprintf(" (line %d: %q, there %q)", i+1, a, b)
		}
	}
	return ""
}

package main

import (
	"regexp"
	"strings"
)

// document is a Markdown file, as far as it is looked at.
type document struct {
	name     string
	lines    []string
	blocks   []*block
	headings []string // as anchors, in order
	spans    []span   // inline code
	targets  []span   // of links
	comments []span   // <!-- ... -->, without the brackets
}

// block is a fenced block of code.
type block struct {
	line   int    // of the opening fence, from 1
	end    int    // of the closing fence
	indent string // of the fence
	info   string // what follows the opening fence
	text   string
	marker string // what "example:" in the comment before it says
	run    string // what "run:" says
	runBy  string // what "run-by:" says
	used   bool   // something was done with it
}

func (b *block) lang() string {
	lang, _, _ := strings.Cut(b.info, " ")
	return lang
}

// span is a piece of a line.
type span struct {
	line int
	text string
}

var (
	fenceLine   = regexp.MustCompile("^( {0,3})(```+|~~~+)(.*)$")
	commentLine = regexp.MustCompile(`^\s*<!--\s*(.*?)\s*-->\s*$`)
	headingLine = regexp.MustCompile(`^ {0,3}#{1,6}\s+(.*?)\s*#*\s*$`)
	codeSpan    = regexp.MustCompile("(`+)(.+?)(`+)")
	inlineLink  = regexp.MustCompile(`\]\(([^()\s]*(?:\([^()\s]*\)[^()\s]*)*)(?:\s+"[^"]*")?\)`)
	refLink     = regexp.MustCompile(`^ {0,3}\[[^\]]+\]:\s+(\S+)`)
)

// parse reads the subset of Markdown that the documents use: ATX headings, fences, code
// spans in a line, inline links and link definitions.
func parse(name, text string) *document {
	d := &document{name: name, lines: strings.Split(text, "\n")}
	seen := map[string]int{}
	next := &block{} // gets what the comment before it says
	for i := 0; i < len(d.lines); i++ {
		line, n := d.lines[i], i+1
		if m := fenceLine.FindStringSubmatch(line); m != nil {
			b := next
			next = &block{}
			b.line, b.indent, b.info = n, m[1], strings.TrimSpace(m[3])
			var body []string
			for i++; i < len(d.lines); i++ {
				if rest := strings.TrimSpace(d.lines[i]); strings.HasPrefix(rest, m[2]) && strings.Trim(rest, m[2][:1]) == "" {
					break
				}
				body = append(body, strings.TrimPrefix(d.lines[i], b.indent))
			}
			b.end = i + 1
			if b.text = strings.Join(body, "\n"); len(body) > 0 {
				b.text += "\n"
			}
			d.blocks = append(d.blocks, b)
			continue
		}
		next = &block{}
		if m := commentLine.FindStringSubmatch(line); m != nil {
			d.comments = append(d.comments, span{n, m[1]})
			switch what, rest, _ := strings.Cut(m[1], ":"); what {
			case "example":
				next.marker = strings.TrimSpace(rest)
			case "run":
				next.run = strings.TrimSpace(rest)
			case "run-by":
				next.runBy = strings.TrimSpace(rest)
			}
			continue
		}
		if m := headingLine.FindStringSubmatch(line); m != nil {
			a := anchor(m[1])
			if k := seen[a]; k > 0 {
				d.headings = append(d.headings, a+"-"+string(rune('0'+k)))
			} else {
				d.headings = append(d.headings, a)
			}
			seen[a]++
		}
		for _, m := range codeSpan.FindAllStringSubmatch(line, -1) {
			if m[1] == m[3] {
				d.spans = append(d.spans, span{n, strings.TrimSpace(strings.ReplaceAll(m[2], `\|`, "|"))})
			}
		}
		bare := codeSpan.ReplaceAllString(line, "``") // a link in code is none, code in a link is
		for _, m := range inlineLink.FindAllStringSubmatch(bare, -1) {
			d.targets = append(d.targets, span{n, m[1]})
		}
		if m := refLink.FindStringSubmatch(bare); m != nil {
			d.targets = append(d.targets, span{n, m[1]})
		}
	}
	return d
}

var notInAnchor = regexp.MustCompile(`[^\p{L}\p{N}\-_ ]+`)

// anchor is the id that GitHub gives a heading.
func anchor(heading string) string {
	heading = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(heading, "$1")
	return strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}

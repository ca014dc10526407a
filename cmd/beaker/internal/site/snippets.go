package site

import (
	"bufio"
	"bytes"
	"embed"
	"fmt"
	"go/scanner"
	"go/token"
	"strings"
)

// The pages show the lines of Go that make them: these files themselves, from a
// comment //demo:name to //demo:end, so that what is shown is what runs.
//
//go:embed account.go action.go cart.go devices.go home.go page.go race.go site.go
var source embed.FS

// span is a piece of code that is shown in one way.
type span struct{ Class, Text string }

// readSnippets returns the marked lines by name. Those of one name belong together.
func readSnippets() (map[string][]span, error) {
	texts := map[string]string{}
	entries, err := source.ReadDir(".")
	if err != nil {
		return nil, fmt.Errorf("site: source: %w", err)
	}
	for _, e := range entries {
		data, err := source.ReadFile(e.Name())
		if err != nil {
			return nil, fmt.Errorf("site: source: %w", err)
		}
		if err := cut(data, texts); err != nil {
			return nil, fmt.Errorf("site: %s: %w", e.Name(), err)
		}
	}
	snippets := map[string][]span{}
	for name, text := range texts {
		snippets[name] = coloured(text)
	}
	return snippets, nil
}

// cut adds the marked parts of a file to texts.
func cut(data []byte, texts map[string]string) error {
	name := ""
	var lines []string
	for sc := bufio.NewScanner(bytes.NewReader(data)); sc.Scan(); {
		mark, isMark := strings.CutPrefix(strings.TrimSpace(sc.Text()), "//demo:")
		switch {
		case isMark && mark == "end":
			if texts[name] != "" {
				texts[name] += "\n"
			}
			texts[name] += strings.Trim(dedented(lines), "\n") + "\n"
			name, lines = "", nil
		case isMark && name == "":
			name = mark
		case isMark:
			return fmt.Errorf("//demo:%s within %s", mark, name)
		case name != "":
			lines = append(lines, sc.Text())
		}
	}
	if name != "" {
		return fmt.Errorf("//demo:%s has no end", name)
	}
	return nil
}

// dedented takes away the tabs that all lines begin with, and makes the others two
// blanks: there is little room on a phone.
func dedented(lines []string) string {
	common := -1
	for _, l := range lines {
		if n := len(l) - len(strings.TrimLeft(l, "\t")); l != "" && (common < 0 || n < common) {
			common = n
		}
	}
	var b strings.Builder
	for _, l := range lines {
		l = l[min(max(common, 0), len(l)):]
		inner := strings.TrimLeft(l, "\t")
		b.WriteString(strings.Repeat("  ", len(l)-len(inner)) + inner + "\n")
	}
	return b.String()
}

// coloured divides code by what Go's scanner takes it for.
func coloured(text string) []span {
	fset := token.NewFileSet()
	f := fset.AddFile("", fset.Base(), len(text))
	var s scanner.Scanner
	s.Init(f, []byte(text), nil, scanner.ScanComments)
	var all []span
	end := 0
	for {
		pos, tok, lit := s.Scan()
		if tok == token.EOF {
			break
		}
		class := ""
		switch {
		case tok == token.COMMENT:
			class = "comment"
		case tok == token.STRING:
			class = "string"
		case tok.IsKeyword():
			class = "keyword"
		default:
			continue
		}
		at := f.Offset(pos)
		all = append(all, span{"", text[end:at]}, span{class, lit})
		end = at + len(lit)
	}
	return append(all, span{"", strings.TrimRight(text[end:], "\n")})
}

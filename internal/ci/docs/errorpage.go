package main

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// errorsPage explains every error that this repository's packages export, each under a
// heading that is its name.
const errorsPage = "docs/errors.md"

// errorPages checks that the page has them all, with the text that they print, and no
// others.
func (c *checker) errorPages(u *universe) {
	i := slices.IndexFunc(c.docs, func(d *document) bool { return d.name == errorsPage })
	want := map[string]string{}
	for _, p := range u.own {
		c.errorsOf(u, p, want)
	}
	if i < 0 {
		if len(want) > 0 {
			c.bad(errorsPage, 1, "is missing")
		}
		return
	}
	d := c.docs[i]
	sections := map[string]span{}
	name := ""
	for n, line := range d.lines {
		if strings.HasPrefix(line, "#") {
			name = ""
			if title := strings.Trim(strings.TrimLeft(line, "# "), "`"); isErrorName(title) {
				name = title
				sections[name] = span{line: n + 1}
			}
			continue
		}
		if name != "" {
			s := sections[name]
			s.text += line + "\n"
			sections[name] = s
		}
	}
	for name, text := range want {
		s, ok := sections[name]
		switch {
		case !ok:
			c.bad(d.name, len(d.lines), "%s has no entry: add a heading %q", name, "### `"+name+"`")
		case !strings.Contains(s.text, text):
			c.bad(d.name, s.line, "the entry does not quote the error's text: %q", text)
		case len(strings.Fields(strings.ReplaceAll(s.text, text, ""))) < 5:
			c.bad(d.name, s.line, "the entry says nothing")
		default:
			c.counts["errors explained"]++
		}
	}
	for name, s := range sections {
		if _, ok := want[name]; !ok {
			c.bad(d.name, s.line, "there is no error %s", name)
		}
	}
}

var errorName = regexp.MustCompile(`^(Err[A-Z]\w*|[A-Z]\w*Error)$`)

func isErrorName(title string) bool {
	last := title[strings.LastIndexByte(title, '.')+1:]
	return errorName.MatchString(last)
}

// errorsOf adds the errors that p exports: variables, with the text that they were made
// of, and types. Those of packages other than the root's carry the package's name.
func (c *checker) errorsOf(u *universe, p *types.Package, want map[string]string) {
	prefix := ""
	if p.Path() != c.module {
		prefix = p.Name() + "."
	}
	errorType := types.Universe.Lookup("error").Type().Underlying().(*types.Interface)
	texts := u.errorTexts(p)
	for _, name := range p.Scope().Names() {
		o := p.Scope().Lookup(name)
		if !o.Exported() {
			continue
		}
		switch o := o.(type) {
		case *types.Var:
			if strings.HasPrefix(name, "Err") && types.Implements(o.Type(), errorType) {
				want[prefix+name] = texts[name]
			}
		case *types.TypeName:
			if _, ok := o.Type().Underlying().(*types.Interface); !ok && (types.Implements(o.Type(), errorType) || types.Implements(types.NewPointer(o.Type()), errorType)) {
				want[prefix+name] = ""
			}
		}
	}
}

// errorTexts finds the texts in declarations such as ErrX = errors.New("text").
func (u *universe) errorTexts(p *types.Package) map[string]string {
	texts := map[string]string{}
	l := u.listed[p.Path()]
	for _, name := range l.GoFiles {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(l.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.ValueSpec); ok {
				for i, name := range s.Names {
					if i >= len(s.Values) {
						break
					}
					if call, ok := s.Values[i].(*ast.CallExpr); ok && len(call.Args) == 1 {
						if lit, ok := call.Args[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
							texts[name.Name] = constant.StringVal(constant.MakeFromLiteral(lit.Value, token.STRING, 0))
						}
					}
				}
			}
			return true
		})
	}
	return texts
}

package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// names checks that what stands in backticks exists: beaker.Config, sessions.List,
// Session.Set, and words alone that look like something exported.
func (c *checker) names(u *universe) {
	for _, d := range c.docs {
		if d.name == "CHANGELOG.md" {
			continue // it tells of what was
		}
		known := u.with(d)
		for _, s := range d.spans {
			for _, missing := range known.missing(s.text, c.words) {
				c.bad(d.name, s.line, "%s does not exist (a word that is no identifier belongs into internal/ci/docs/words.go)", missing)
			}
			c.counts["names"]++
		}
	}
}

// with adds what a page on another library says that it names:
//
//	<!-- names: github.com/alexedwards/scs/v2 sessionManager=github.com/alexedwards/scs/v2.SessionManager -->
func (u *universe) with(d *document) *universe {
	more := *u
	more.vars = maps.Clone(u.vars)
	for _, s := range d.comments {
		list, ok := strings.CutPrefix(s.text, "names:")
		if !ok {
			continue
		}
		for entry := range strings.FieldsSeq(list) {
			name, typ, isVar := strings.Cut(entry, "=")
			path := entry
			if isVar {
				path = typ[:strings.LastIndexByte(typ, '.')]
			}
			p, err := u.importer.Import(path)
			if err != nil {
				continue // what it was to declare is missing
			}
			if !isVar {
				more.own = append(slices.Clip(more.own), p)
			} else if o := p.Scope().Lookup(typ[len(path)+1:]); o != nil {
				more.vars[name] = o.Type()
			}
		}
	}
	return &more
}

var (
	notGo    = regexp.MustCompile(`[/;$@%<>\\]|--|\w-\w|^[\w.-]+\.(md|go|db|json|txt|mod|work|sum|toml|yml)$`)
	literal  = regexp.MustCompile(`"[^"]*"|\B'[^']*'`)
	nameLike = regexp.MustCompile(`(?:^|[^\w.)\]}])([A-Za-z_]\w*)(?:\[[\w.*\[\]]*\])?((?:\.[A-Za-z_]\w*)*)`)
	exported = regexp.MustCompile(`^[A-Z]\w*[a-z]\w*$`)
)

// missing returns the names in a span of code that nothing declares.
func (u *universe) missing(text string, words map[string]bool) (bad []string) {
	text = literal.ReplaceAllString(text, "")
	if notGo.MatchString(text) {
		return nil
	}
	for _, m := range nameLike.FindAllStringSubmatch(text, -1) {
		first, rest := m[1], strings.Split(strings.TrimPrefix(m[2], "."), ".")
		switch {
		case m[2] == "" && (!exported.MatchString(first) || words[first] || u.declares(first) || u.tests[first]):
		case m[2] == "":
			bad = append(bad, first)
		case !u.resolves(first, rest) && !words[first+m[2]]:
			bad = append(bad, first+m[2])
		}
	}
	return bad
}

// resolves looks up first.rest[0].rest[1]...
func (u *universe) resolves(first string, rest []string) bool {
	if v := u.vars[first]; v != nil && u.member(v, rest) {
		return true
	}
	for _, p := range u.byName[first] {
		if o := p.Scope().Lookup(rest[0]); o != nil && o.Exported() && u.member(o.Type(), rest[1:]) {
			return true
		}
	}
	for _, p := range u.own {
		if o := p.Scope().Lookup(first); o != nil && o.Exported() && u.member(o.Type(), rest) {
			return true
		}
	}
	// A word that nothing here knows: of another language, unless it claims to have
	// something exported.
	return u.vars[first] == nil && u.byName[first] == nil && !exported.MatchString(rest[0]) && !exported.MatchString(first)
}

func (u *universe) member(t types.Type, path []string) bool {
	for _, name := range path {
		o, _, _ := types.LookupFieldOrMethod(t, true, nil, name)
		if o == nil || !o.Exported() {
			return false
		}
		t = o.Type()
		if sig, ok := t.(*types.Signature); ok && sig.Results().Len() > 0 {
			t = sig.Results().At(0).Type()
		}
	}
	return true
}

// declares reports whether something of this repository has the name: a declaration, a
// field or a method.
func (u *universe) declares(name string) bool {
	for _, p := range u.own {
		scope := p.Scope()
		if scope.Lookup(name) != nil {
			return true
		}
		for _, n := range scope.Names() {
			if t, ok := scope.Lookup(n).(*types.TypeName); ok && t.Exported() && u.member(t.Type(), []string{name}) {
				return true
			}
		}
	}
	return false
}

var bracket = regexp.MustCompile(`\[\*?([A-Za-z_][\w./]*)\]`)

// comments checks the links in the comments of the packages that others import.
func (c *checker) comments(u *universe) {
	for _, p := range u.own {
		l := u.listed[p.Path()]
		fset := token.NewFileSet()
		for _, name := range l.GoFiles {
			f, err := parser.ParseFile(fset, filepath.Join(l.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				continue // the compiler has read it
			}
			for _, g := range docComments(f) {
				c.docLinks(u, p, fset, g)
			}
		}
	}
}

// docComments returns the comments that go doc shows.
func docComments(f *ast.File) (all []*ast.CommentGroup) {
	add := func(groups ...*ast.CommentGroup) {
		all = append(all, slices.DeleteFunc(groups, func(g *ast.CommentGroup) bool { return g == nil })...)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.File:
			add(n.Doc)
		case *ast.GenDecl:
			add(n.Doc)
		case *ast.TypeSpec:
			add(n.Doc, n.Comment)
		case *ast.ValueSpec:
			add(n.Doc, n.Comment)
		case *ast.Field:
			add(n.Doc, n.Comment)
		case *ast.FuncDecl:
			add(n.Doc)
			return false
		}
		return true
	})
	return all
}

func (c *checker) docLinks(u *universe, p *types.Package, fset *token.FileSet, g *ast.CommentGroup) {
	text := g.Text()
	at := fset.Position(g.Pos()).Line - 1
	for line := range strings.Lines(text) {
		at++
		if strings.HasPrefix(line, "\t") || strings.HasPrefix(line, " ") {
			continue // code
		}
		for _, m := range bracket.FindAllStringSubmatch(line, -1) {
			name := m[1]
			if strings.Contains(text, "\n["+name+"]: ") || !strings.Contains(name, ".") && !ast.IsExported(name) {
				continue
			}
			first, rest, dotted := strings.Cut(name[strings.LastIndexByte(name, '/')+1:], ".")
			ok := false
			if o := p.Scope().Lookup(first); o != nil {
				ok = !dotted || u.member(o.Type(), strings.Split(rest, "."))
			} else if dotted {
				ok = u.byName[first] != nil && u.resolves(first, strings.Split(rest, "."))
			}
			if !ok {
				c.bad(c.relative(fset.Position(g.Pos()).Filename), at, "the link [%s] in the comment leads nowhere", name)
			}
		}
	}
}

func (c *checker) relative(file string) string {
	root, err := filepath.Abs(c.root)
	if err != nil {
		return file
	}
	rel, err := filepath.Rel(root, file)
	if err != nil {
		return file
	}
	return filepath.ToSlash(rel)
}

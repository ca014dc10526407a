package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// preamble is what the pages mean by these names. It declares them for fragments, and
// says what is looked up when a page names s.Set or sessions.List.
const preamble = `
	ctx context.Context, w http.ResponseWriter, r *http.Request, mux *http.ServeMux, next http.Handler, h beaker.Handle,
	s *beaker.Session, sessions *beaker.Manager, m *beaker.Manager, admin *beaker.Manager, site *beaker.Manager,
	cfg beaker.Config, store beaker.Store, secrets *beaker.Secrets, db *sql.DB, info beaker.Info, key beaker.RecordKey, rec *beaker.Record, ch *beaker.Change,
	logger *slog.Logger, e beaker.Event, env *sessiontest.Env, browser *sessiontest.Browser, t *testing.T`

// preamble finds the types of the preamble's names.
func (u *universe) preamble(module string) error {
	src := "package p\n" + u.importsOf(preamble, module) + "func f(" + preamble + ") {}\n"
	f, err := parser.ParseFile(u.fset, "preamble", src, 0)
	if err != nil {
		return err
	}
	conf := types.Config{Importer: u.importer, Error: func(error) {}}
	p, err := conf.Check("p", u.fset, []*ast.File{f}, nil)
	u.vars = map[string]types.Type{}
	if p == nil || p.Scope().Lookup("f") == nil {
		return err
	}
	params := p.Scope().Lookup("f").Type().(*types.Signature).Params()
	for v := range params.Variables() {
		if v.Type() != types.Typ[types.Invalid] { // a repository without that package
			u.vars[v.Name()] = v.Type()
		}
	}
	return nil
}

// importsOf imports what text uses of everywhere and of this repository.
func (u *universe) importsOf(text, module string) string {
	var b strings.Builder
	for name, all := range u.byName {
		for _, p := range all {
			if strings.Contains(text, name+".") && (slices.Contains(everywhere, p.Path()) || strings.HasPrefix(p.Path()+"/", module+"/")) {
				fmt.Fprintf(&b, "import %q\n", p.Path())
				break
			}
		}
	}
	return b.String()
}

// fragments type-checks the Go blocks that are neither copied nor programs.
func (c *checker) fragments(u *universe) {
	for _, d := range c.docs {
		for _, b := range d.blocks {
			if b.lang() != "go" || b.used || isProgram(b.text) {
				continue
			}
			b.used = true
			c.counts["type-checked"]++
			for _, err := range u.check(b.text, c.module) {
				c.bad(d.name, b.line+max(err.line, 0), "%s", err.text)
			}
		}
	}
}

func isProgram(text string) bool {
	f, err := parser.ParseFile(token.NewFileSet(), "", text, parser.SkipObjectResolution)
	return err == nil && f.Name.Name == "main" && slices.ContainsFunc(f.Decls, func(d ast.Decl) bool {
		fn, ok := d.(*ast.FuncDecl)
		return ok && fn.Recv == nil && fn.Name.Name == "main"
	})
}

type finding struct {
	line int // in the block, from 1
	text string
}

// check type-checks a fragment: declarations, or statements of a function, which may
// return an error; either may begin with imports.
func (u *universe) check(text, module string) []finding {
	imports, rest := splitImports(text)
	if strings.HasPrefix(strings.TrimSpace(text), "package ") {
		return u.checkFile(text)
	}
	const at = "\n//line :1\n"
	head := "package p\n" + u.importsOf(withoutImported(rest, imports)+preamble, module) + at + imports + "\n"
	params := u.params()
	var first []finding
	for _, src := range []string{
		head + at + rest,
		head + "func _(" + params + ") {" + at + "{" + rest + "\n}}",
		head + "func _(" + params + ") error {" + at + "{" + rest + "\n}\nreturn nil}",
	} {
		found := u.checkFile(src)
		if len(found) == 0 {
			return nil
		}
		if first == nil || isSyntax(first) && !isSyntax(found) {
			first = found
		}
	}
	return first
}

// withoutImported keeps a fragment's own imports from being made twice.
func withoutImported(rest, imports string) string {
	f, err := parser.ParseFile(token.NewFileSet(), "", "package p;"+imports, parser.ImportsOnly)
	if err != nil {
		return rest
	}
	for _, spec := range f.Imports {
		p := strings.Trim(spec.Path.Value, `"`)
		name := p[strings.LastIndexByte(p, '/')+1:]
		rest = strings.ReplaceAll(rest, name+".", "")
	}
	return rest
}

// params are those of the preamble whose types are known.
func (u *universe) params() string {
	var keep []string
	for p := range strings.SplitSeq(strings.Join(strings.Fields(preamble), " "), ",") {
		name, _, _ := strings.Cut(strings.TrimSpace(p), " ")
		if u.vars[name] != nil {
			keep = append(keep, p)
		}
	}
	return strings.Join(keep, ",")
}

const syntax = "syntax: "

func isSyntax(f []finding) bool { return strings.HasPrefix(f[0].text, syntax) }

func (u *universe) checkFile(src string) []finding {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "", src, parser.SkipObjectResolution)
	if err != nil {
		return []finding{{0, syntax + err.Error()}}
	}
	var found []finding
	conf := types.Config{Importer: u.importer, Error: func(err error) {
		var e types.Error
		if errors.As(err, &e) && !e.Soft { // soft: declared or imported and not used
			found = append(found, finding{fset.Position(e.Pos).Line, e.Msg})
		}
	}}
	_, _ = conf.Check("p", fset, []*ast.File{f}, nil) // the errors were collected
	return found
}

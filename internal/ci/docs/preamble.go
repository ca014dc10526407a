package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// preamble is what the pages mean by these names: where s.Set and sessions.List are
// looked up when a page names them.
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

func isProgram(text string) bool {
	f, err := parser.ParseFile(token.NewFileSet(), "", text, parser.SkipObjectResolution)
	return err == nil && f.Name.Name == "main" && slices.ContainsFunc(f.Decls, func(d ast.Decl) bool {
		fn, ok := d.(*ast.FuncDecl)
		return ok && fn.Recv == nil && fn.Name.Name == "main"
	})
}

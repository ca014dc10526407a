package rules

import (
	"fmt"
	"go/ast"
	"go/token"
	"strings"
)

func packageComments(t *Tree) (bad []string) {
	for i := range t.Packages {
		p := &t.Packages[i]
		found := false
		for _, f := range p.Files {
			found = found || strings.TrimSpace(f.Syntax.Doc.Text()) != ""
		}
		if !found {
			bad = append(bad, p.Dir+": no file of the package says what it is for")
		}
	}
	return bad
}

func exportedComments(t *Tree) (bad []string) {
	for i := range t.Packages {
		for _, f := range t.Packages[i].Files {
			if f.IsTest {
				continue
			}
			missing := func(pos token.Pos, what string) {
				bad = append(bad, fmt.Sprintf("%s: %s has no comment", t.Fset.Position(pos), what))
			}
			for _, d := range f.Syntax.Decls {
				switch d := d.(type) {
				case *ast.FuncDecl:
					checkFunc(d, missing)
				case *ast.GenDecl:
					for _, s := range d.Specs {
						checkSpec(d, s, missing)
					}
				}
			}
		}
	}
	return bad
}

func checkFunc(d *ast.FuncDecl, missing func(token.Pos, string)) {
	if !d.Name.IsExported() || d.Doc.Text() != "" {
		return
	}
	if d.Recv == nil {
		missing(d.Pos(), "func "+d.Name.Name)
		return
	}
	receiver := baseName(d.Recv.List[0].Type)
	if ast.IsExported(receiver) && !wellKnown[d.Name.Name] {
		missing(d.Pos(), "method "+receiver+"."+d.Name.Name)
	}
}

// wellKnown are methods that say nothing new: the interface that they are there
// for is in every Go programmer's head.
var wellKnown = map[string]bool{"Error": true, "Unwrap": true, "String": true, "GoString": true, "LogValue": true}

func checkSpec(d *ast.GenDecl, s ast.Spec, missing func(token.Pos, string)) {
	switch s := s.(type) {
	case *ast.ValueSpec:
		for _, name := range s.Names {
			// A block may be explained as one, or where its names do not speak.
			if name.IsExported() && !hasComment(d) {
				missing(name.Pos(), d.Tok.String()+" "+name.Name)
			}
		}
	case *ast.TypeSpec:
		if !s.Name.IsExported() {
			return
		}
		if s.Doc.Text() == "" && s.Comment.Text() == "" && (d.Lparen.IsValid() || d.Doc.Text() == "") {
			missing(s.Pos(), "type "+s.Name.Name)
		}
		switch x := s.Type.(type) {
		case *ast.InterfaceType:
			if x.Methods.NumFields() > 1 { // of one method, the type's comment tells
				checkFields(s.Name.Name, x.Methods, missing)
			}
		case *ast.StructType:
			// Of data, the type's comment may say enough; what is configured may not
			// be guessed.
			if strings.HasSuffix(s.Name.Name, "Config") || strings.HasSuffix(s.Name.Name, "Options") {
				checkFields(s.Name.Name, x.Fields, missing)
			}
		}
	}
}

func hasComment(d *ast.GenDecl) bool {
	found := d.Doc.Text() != ""
	for _, s := range d.Specs {
		if s, ok := s.(*ast.ValueSpec); ok {
			found = found || s.Doc.Text() != "" || s.Comment.Text() != ""
		}
	}
	return found
}

func checkFields(owner string, list *ast.FieldList, missing func(token.Pos, string)) {
	for _, field := range list.List {
		for _, name := range field.Names { // embedded ones have their own comment
			if name.IsExported() && field.Doc.Text() == "" && field.Comment.Text() == "" {
				missing(name.Pos(), owner+"."+name.Name)
			}
		}
	}
}

// baseName is the name of a receiver's type, without pointer and type parameters.
func baseName(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.StarExpr:
		return baseName(x.X)
	case *ast.IndexExpr:
		return baseName(x.X)
	case *ast.IndexListExpr:
		return baseName(x.X)
	case *ast.Ident:
		return x.Name
	}
	return ""
}

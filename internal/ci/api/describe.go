package main

import (
	"fmt"
	"go/types"
	"slices"
	"strings"
)

// describer prints what one package exports.
type describer struct {
	pkg   *types.Package
	lines []string
}

// describe returns a line for each exported identifier, fields and methods included,
// sorted.
func describe(pkg *types.Package) []string {
	d := &describer{pkg: pkg}
	for _, name := range pkg.Scope().Names() {
		obj := pkg.Scope().Lookup(name)
		if obj.Exported() {
			d.object(obj)
		}
	}
	slices.Sort(d.lines)
	return d.lines
}

func (d *describer) add(format string, args ...any) {
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

// text is a type with the names of other packages, without the path.
func (d *describer) text(t types.Type) string {
	return types.TypeString(t, func(p *types.Package) string {
		if p == d.pkg {
			return ""
		}
		return p.Name()
	})
}

func (d *describer) object(obj types.Object) {
	switch obj := obj.(type) {
	case *types.Const:
		d.add("const %s %s = %s", obj.Name(), d.text(obj.Type()), obj.Val().ExactString())
	case *types.Var:
		d.add("var %s %s", obj.Name(), d.text(obj.Type()))
	case *types.Func:
		d.add("func %s%s", obj.Name(), d.signature(obj))
	case *types.TypeName:
		d.typeName(obj)
	}
}

// signature names no parameters: renaming one breaks nobody.
func (d *describer) signature(f *types.Func) string {
	s := f.Signature()
	var params strings.Builder
	if list := s.TypeParams(); list.Len() > 0 {
		params.WriteString(d.typeParams(list))
	}
	return params.String() + strings.TrimPrefix(d.text(types.NewSignatureType(nil, nil, nil, unnamed(s.Params()), unnamed(s.Results()), s.Variadic())), "func")
}

func unnamed(all *types.Tuple) *types.Tuple {
	vars := make([]*types.Var, all.Len())
	for i := range vars {
		vars[i] = types.NewParam(0, nil, "", all.At(i).Type())
	}
	return types.NewTuple(vars...)
}

func (d *describer) typeParams(list *types.TypeParamList) string {
	all := make([]string, list.Len())
	for i := range all {
		all[i] = list.At(i).Obj().Name() + " " + d.text(list.At(i).Constraint())
	}
	return "[" + strings.Join(all, ", ") + "]"
}

func (d *describer) typeName(obj *types.TypeName) {
	name := obj.Name()
	if obj.IsAlias() {
		d.add("type %s = %s", name, d.text(types.Unalias(obj.Type())))
		return
	}
	named, ok := obj.Type().(*types.Named)
	if !ok {
		return
	}
	if list := named.TypeParams(); list.Len() > 0 {
		name += d.typeParams(list)
	}
	switch under := named.Underlying().(type) {
	case *types.Struct:
		d.fields(name, under)
	case *types.Interface:
		d.interfaceMethods(name, under)
	default:
		d.add("type %s %s", name, d.text(under))
	}
	if types.IsInterface(named) {
		return
	}
	// With those of embedded types: users call them alike.
	for _, t := range []types.Type{named, types.NewPointer(named)} {
		set := types.NewMethodSet(t)
		for method := range set.Methods() {
			f, ok := method.Obj().(*types.Func)
			if !ok || !f.Exported() {
				continue
			}
			if _, pointer := t.(*types.Pointer); pointer && types.NewMethodSet(named).Lookup(f.Pkg(), f.Name()) != nil {
				continue // it is the value's
			}
			d.add("method (%s) %s%s", d.text(t), f.Name(), d.signature(f))
		}
	}
}

func (d *describer) fields(name string, s *types.Struct) {
	hidden := 0
	for field := range s.Fields() {
		if !field.Exported() {
			hidden++
			continue
		}
		embedded := ""
		if field.Embedded() {
			embedded = "embedded "
		}
		d.add("type %s struct, %s%s %s", name, embedded, field.Name(), d.text(field.Type()))
	}
	switch {
	case s.NumFields() == 0:
		d.add("type %s struct {}", name)
	case hidden > 0:
		// Whether users can write it without field names, or compare it, is theirs to see.
		compares := "comparable"
		if !types.Comparable(s) {
			compares = "not comparable"
		}
		d.add("type %s struct, with unexported fields, %s", name, compares)
	default:
		d.add("type %s struct", name)
	}
}

func (d *describer) interfaceMethods(name string, t *types.Interface) {
	var names []string
	for method := range t.Methods() {
		if !method.Exported() {
			names = append(names, "unexported methods")
			continue
		}
		names = append(names, method.Name())
		d.add("type %s interface, %s%s", name, method.Name(), d.signature(method))
	}
	slices.Sort(names)
	d.add("type %s interface { %s }", name, strings.Join(slices.Compact(names), ", "))
}

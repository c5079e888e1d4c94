package engine_test

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"strings"
	"testing"
)

// methodsMost is how many methods a type of the engine may have, promoted ones
// included: more means that it has more than one concern.
const methodsMost = 40

// product is the engine's own source, type-checked.
type product struct {
	set   *token.FileSet
	files []*ast.File
	info  types.Info
	pkg   *types.Package
}

func loadProduct(tb testing.TB) *product {
	tb.Helper()
	p := &product{set: token.NewFileSet(), info: types.Info{
		Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{},
	}}
	names, err := filepath.Glob("*.go")
	if err != nil {
		tb.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(p.set, name, nil, 0)
		if err != nil {
			tb.Fatal(err)
		}
		p.files = append(p.files, f)
	}
	config := types.Config{Importer: importer.ForCompiler(p.set, "source", nil)}
	if p.pkg, err = config.Check("cmkd/rotator/engine", p.set, p.files, &p.info); err != nil {
		tb.Fatal(err)
	}
	return p
}

// TestShape holds what the engine's layout promises: one concern a type, and one
// file that writes what the next commit takes.
func TestShape(t *testing.T) {
	t.Parallel()
	p := loadProduct(t)
	t.Run("no type has more than one concern", func(t *testing.T) {
		for _, name := range p.pkg.Scope().Names() {
			obj, ok := p.pkg.Scope().Lookup(name).(*types.TypeName)
			if !ok {
				continue
			}
			if n := types.NewMethodSet(types.NewPointer(obj.Type())).Len(); n > methodsMost {
				t.Errorf("%s has %d methods, at most %d are allowed", name, n, methodsMost)
			}
		}
	})
	t.Run("nobody but draft.go writes the draft", func(t *testing.T) {
		for _, at := range p.writes("draft") {
			if filepath.Base(at.Filename) != "draft.go" {
				t.Errorf("%s writes a field of the draft: give it a verb that says what happened", at)
			}
		}
	})
}

// writes returns where a field of a struct type is assigned to, counted up or
// down, or its address is taken.
func (p *product) writes(name string) (all []token.Position) {
	fields := map[types.Object]bool{}
	s := p.pkg.Scope().Lookup(name).Type().Underlying().(*types.Struct)
	for field := range s.Fields() {
		fields[field] = !field.Embedded()
	}
	target := func(e ast.Expr) {
		for {
			switch x := e.(type) {
			case *ast.IndexExpr:
				e = x.X
			case *ast.ParenExpr:
				e = x.X
			case *ast.StarExpr:
				e = x.X
			case *ast.SelectorExpr:
				if fields[p.info.Uses[x.Sel]] {
					all = append(all, p.set.Position(x.Pos()))
					return
				}
				e = x.X
			default:
				return
			}
		}
	}
	for _, f := range p.files {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for _, e := range n.Lhs {
					target(e)
				}
			case *ast.IncDecStmt:
				target(n.X)
			case *ast.UnaryExpr:
				if n.Op == token.AND {
					target(n.X)
				}
			case *ast.CallExpr:
				if id, ok := n.Fun.(*ast.Ident); ok && (id.Name == "delete" || id.Name == "clear") {
					target(n.Args[0])
				}
			}
			return true
		})
	}
	return all
}

package teeth

import (
	"bufio"
	"context"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// guard is the code that says whether a version may be retired.
const guard = "rotator/engine/guard.go"

// watched is the rest of the program that has its conditions watched: it notes each outcome
// that a condition has, once, and turns one condition around if it is told to.
const watched = `package engine

import (
	"fmt"
	"os"
	"sync"
)

var teeth = struct {
	turned string
	notes  *os.File
	noted  sync.Map
}{turned: os.Getenv("CMKD_TEETH_TURNED")}

func init() {
	if path := os.Getenv("CMKD_TEETH_NOTES"); path != "" {
		teeth.notes, _ = os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	}
}

func condition(n int, holds bool) bool {
	if teeth.notes != nil {
		note := fmt.Sprintf("%d %t\n", n, holds)
		if _, noted := teeth.noted.LoadOrStore(note, true); !noted {
			_, _ = teeth.notes.WriteString(note)
		}
	}
	return holds != (fmt.Sprint(n) == teeth.turned)
}
`

// conditions are those of a file: what is tested, part by part.
type conditions struct {
	files *token.FileSet
	texts []string
}

// TestGuard_BothWays holds that the tests see each condition of the guard true and false.
func TestGuard_BothWays(t *testing.T) {
	teethLimit(t)
	all, with := watchGuard(t)
	notes := filepath.Join(t.TempDir(), "notes")
	if out, err := binary(t, with, "rotator/engine").run(t.Context(), time.Hour, "CMKD_TEETH_NOTES="+notes); err != nil {
		t.Fatalf("the tests of the engine: %v\n%s", err, out)
	}
	data, err := os.ReadFile(notes)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for note := range strings.Lines(string(data)) {
		seen[strings.TrimSpace(note)] = true
	}
	for n, what := range all.texts {
		for _, outcome := range []bool{true, false} {
			if !seen[fmt.Sprintf("%d %t", n, outcome)] {
				t.Errorf("%s was never %t in a test", what, outcome)
			}
		}
	}
}

// TestGuard_TurnedAround holds that the tests or the simulation fail if a condition of the
// guard is turned around, whichever.
func TestGuard_TurnedAround(t *testing.T) {
	limit := teethLimit(t)
	all, with := watchGuard(t)
	tests, simulated := binary(t, with, "rotator/engine"), binary(t, with, simulation.pkg)
	for n, what := range all.texts {
		t.Run(what, func(t *testing.T) {
			turned := "CMKD_TEETH_TURNED=" + strconv.Itoa(n)
			failed, err := tests.run(t.Context(), 3*time.Minute, turned)
			if err == nil {
				failed, err = simulated.run(t.Context(), limit+time.Minute, turned, "CMKD_SIM_TIME="+limit.String())
			}
			switch {
			case err == nil:
				t.Error("nobody sees it turned around")
			case failed == "":
				t.Error(err)
			default:
				t.Log(failed)
			}
		})
	}
}

// watchGuard has the conditions of the guard watched, by an overlay.
func watchGuard(t *testing.T) (*conditions, string) {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, guard))
	if err != nil {
		t.Fatal(err)
	}
	all, text := watch(t, path)
	return all, overlay(t, map[string]string{path: text, filepath.Join(filepath.Dir(path), "teeth.go"): watched})
}

// testBinary is the test program of a package.
type testBinary struct{ path, dir, tests string }

func binary(t *testing.T, overlay, pkg string) *testBinary {
	t.Helper()
	b := &testBinary{path: filepath.Join(t.TempDir(), "test"), dir: filepath.Join(root, pkg), tests: "."}
	if pkg == simulation.pkg {
		b.tests = "^(" + simulation.run + ")$"
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-c", "-overlay", overlay, "-o", b.path, "./"+pkg)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return b
}

// run runs the tests until one fails; others may never end then. It returns what they say
// of it.
func (b *testBinary) run(ctx context.Context, limit time.Duration, env ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.path, "-test.v", "-test.failfast", "-test.run", b.tests)
	cmd.Dir, cmd.Env = b.dir, append(append(os.Environ(), "CMKD_TEETH="), env...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return "", err
	}
	failed, said := "", bufio.NewScanner(out)
	for failed == "" && said.Scan() {
		if l := strings.TrimSpace(said.Text()); strings.HasPrefix(l, "--- FAIL: ") || strings.HasPrefix(l, "panic: ") {
			failed = l
		}
	}
	if failed != "" {
		cancel()
	}
	err = cmd.Wait()
	if failed == "" && ctx.Err() != nil {
		failed = "the tests do not end"
	}
	return failed, err
}

// watch returns the conditions of a file, and the file with each of them watched.
func watch(t *testing.T, path string) (*conditions, string) {
	t.Helper()
	c := &conditions{files: token.NewFileSet()}
	file, err := parser.ParseFile(c.files, path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.IfStmt:
			n.Cond = c.split(n.Cond)
		case *ast.SwitchStmt:
			if n.Tag == nil {
				for _, clause := range n.Body.List {
					for i, e := range clause.(*ast.CaseClause).List {
						clause.(*ast.CaseClause).List[i] = c.split(e)
					}
				}
			}
		case *ast.ReturnStmt:
			for i, e := range n.Results {
				n.Results[i] = c.compound(e)
			}
		case *ast.AssignStmt:
			for i, e := range n.Rhs {
				n.Rhs[i] = c.compound(e)
			}
		}
		return true
	})
	var text strings.Builder
	if err := format.Node(&text, c.files, file); err != nil {
		t.Fatal(err)
	}
	return c, text.String()
}

// compound watches an expression that is made of conditions, and leaves others alone.
func (c *conditions) compound(e ast.Expr) ast.Expr {
	switch x := e.(type) {
	case *ast.BinaryExpr:
		switch x.Op {
		case token.LAND, token.LOR, token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ:
			return c.split(e)
		default:
		}
	case *ast.UnaryExpr:
		if x.Op == token.NOT {
			return c.split(e)
		}
	}
	return e
}

// split watches each part of a condition.
func (c *conditions) split(e ast.Expr) ast.Expr {
	switch x := e.(type) {
	case *ast.ParenExpr:
		x.X = c.split(x.X)
		return x
	case *ast.UnaryExpr:
		if x.Op == token.NOT {
			x.X = c.split(x.X)
			return x
		}
	case *ast.BinaryExpr:
		if x.Op == token.LAND || x.Op == token.LOR {
			x.X, x.Y = c.split(x.X), c.split(x.Y)
			return x
		}
	}
	n := len(c.texts)
	c.texts = append(c.texts, c.text(e))
	return &ast.CallExpr{Fun: ast.NewIdent("condition"), Args: []ast.Expr{&ast.BasicLit{Kind: token.INT, Value: strconv.Itoa(n)}, e}}
}

// text is a condition as it is written, with its line.
func (c *conditions) text(e ast.Expr) string {
	var b strings.Builder
	_ = format.Node(&b, c.files, e)
	return fmt.Sprintf("line %d: %s", c.files.Position(e.Pos()).Line, b.String())
}

package rotator_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cmkd/rotator"
)

// reasonFile is the one home of codes.
const reasonFile = "../rotator/reason.go"

// kebab is the form of the codes of cmkd's own.
var kebab = regexp.MustCompile(`^[a-z]+(-([a-z]+|STATUS))*$`)

// foreign are the folders of the simulated Azure, which has Azure's words and none of
// ours, and of what only tests are built with.
var foreign = regexp.MustCompile(`^(azuresim|testdata|[a-z]+test|bin|\.[a-z].*)$`)

// sources parses everything that a daemon is built of.
func sources(t *testing.T) map[string]*ast.File {
	t.Helper()
	files := map[string]*ast.File{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && foreign.MatchString(d.Name()):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		files[path] = file
		return err
	})
	if err != nil || files[reasonFile] == nil || len(files) < 100 {
		t.Fatalf("%d sources were read (%v)", len(files), err)
	}
	return files
}

// constants returns the codes that reason.go declares, by the name of the constant.
func constants(file *ast.File) map[string]rotator.Reason {
	all := map[string]rotator.Reason{}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && isNamed(spec.Type, "Reason") {
			code, _ := text(spec.Values[0])
			all[spec.Names[0].Name] = rotator.Reason(code)
		}
		return true
	})
	return all
}

func isNamed(e ast.Expr, names ...string) bool {
	if s, ok := e.(*ast.SelectorExpr); ok {
		e = s.Sel
	}
	id, ok := e.(*ast.Ident)
	return ok && slices.Contains(names, id.Name)
}

// text returns what a literal of text says.
func text(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}

// TestReasons holds that every code of cmkd's own is explained, once, and is given by
// something.
func TestReasons(t *testing.T) {
	t.Parallel()
	files := sources(t)
	used := map[string]bool{}
	for path, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && path != reasonFile {
				used[id.Name] = true
			}
			return true
		})
	}
	declared := map[rotator.Reason]bool{
		rotator.Reason(rotator.CodeInvalid): true, rotator.Reason(rotator.CodeNotFound): true,
		rotator.Reason(rotator.CodeConflict): true, rotator.Reason(rotator.CodeRefused): true,
		rotator.Reason(rotator.CodeForbidden): true, rotator.Reason(rotator.CodeThrottled): true,
		rotator.Reason(rotator.CodeUnavailable): true, rotator.Reason(rotator.CodeInternal): true,
	}
	// ReasonOfStatus and ReasonOfExit give these.
	givers := map[string]string{"ReasonStatus": "ReasonOfStatus", "ReasonExit": "ReasonOfExit"}
	for name, code := range constants(files[reasonFile]) {
		if giver, ok := givers[name]; ok && used[giver] {
			used[name] = true
		}
		if !used[name] {
			t.Errorf("nothing gives %s", name)
		}
		if declared[code] {
			t.Errorf("two constants are %s", code)
		}
		declared[code] = code != rotator.ReasonKeyDisabled
	}
	for _, info := range rotator.Reasons() {
		if !declared[info.Reason] {
			t.Errorf("%s is explained, and is no constant or is explained twice", info.Reason)
		}
		delete(declared, info.Reason)
		if !kebab.MatchString(string(info.Reason)) {
			t.Errorf("%s is not in small letters with hyphens", info.Reason)
		}
		for _, said := range []string{info.Sentence, info.Cause, info.Next} {
			if said == "" || strings.TrimRight(said, ".`") == said {
				t.Errorf("%s says %q, which is no sentence", info.Reason, said)
			}
		}
	}
	for code, ours := range declared {
		if ours {
			t.Errorf("%s is not explained", code)
		}
	}
}

// TestReasons_haveOneHome holds that no code is written as a text outside of
// reason.go.
func TestReasons_haveOneHome(t *testing.T) {
	t.Parallel()
	files := sources(t)
	codes := map[string]bool{}
	for _, code := range constants(files[reasonFile]) {
		// One of a single word is a word like any other, unless it stands for a code.
		codes[string(code)] = strings.Contains(string(code), "-")
	}
	delete(files, reasonFile)
	for path, file := range files {
		for _, found := range literals(file, codes) {
			t.Errorf("%s: %s is a literal: its home is rotator/reason.go", path, found)
		}
	}
}

// literals returns the texts of a file that are codes, or stand where one belongs.
func literals(file *ast.File, codes map[string]bool) (found []string) {
	here := func(e ast.Expr) {
		ast.Inspect(e, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				found = append(found, lit.Value)
			}
			return true
		})
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			// Rules, types of event and states of trackers share words with codes.
			return n.Type == nil || isNamed(n.Type, "Reason", "string")
		case *ast.CompositeLit:
			fields := codeFields(n)
			for _, element := range n.Elts {
				if pair, ok := element.(*ast.KeyValueExpr); ok && isNamed(pair.Key, fields...) {
					here(pair.Value)
				}
			}
		case *ast.AssignStmt:
			for i, to := range n.Lhs {
				if field, ok := to.(*ast.SelectorExpr); ok && (field.Sel.Name == "Check" || field.Sel.Name == "Reason") && i < len(n.Rhs) {
					here(n.Rhs[i])
				}
			}
		case *ast.BasicLit:
			if s, ok := text(n); ok && codes[s] {
				found = append(found, n.Value)
			}
		}
		return true
	})
	return found
}

// codeFields names the fields of a literal that hold a code.
func codeFields(lit *ast.CompositeLit) []string {
	switch {
	case isNamed(lit.Type, "Problem"):
		return []string{"Code"}
	case isNamed(lit.Type, "Error"):
		return []string{"Reason"}
	case isNamed(lit.Type, "Objection"), lit.Type == nil: // an element of a list of them
		return []string{"Check"}
	}
	return nil
}

// TestReasons_haveOneHome_teeth holds that a literal is found in each of its forms.
func TestReasons_haveOneHome_teeth(t *testing.T) {
	t.Parallel()
	for _, code := range []string{
		`var p = rotator.Problem{Code: "new-code"}`, `var p = rotator.Problem{Code: "Provisioning" + value}`,
		`var o = []rotator.Objection{{Check: "new-code"}}`, `var e = &rotator.Error{Reason: fmt.Sprintf("Exit%d", n)}`,
		`func f() { e.Reason = "new-code" }`, `func f() { o.Check, o.Message = "new-code", "m" }`,
		`func f() bool { return p.Code == "soak-not-over" }`, `const c = "soak-not-over"`,
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+code, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(literals(file, map[string]bool{"soak-not-over": true})) == 0 {
			t.Errorf("no literal was found in %s", code)
		}
	}
}

func TestReasonInfo_NextFor(t *testing.T) {
	t.Parallel()
	for reason, want := range map[rotator.Reason]string{
		rotator.ReasonDependentNotSettled: "cmkd status op-17 shows how far it is.",
		rotator.ReasonScheduleMissed:      "cmkd rotate payments, or wait for the next scheduled time.",
		"":                                "",
	} {
		if got := rotator.InfoOf(reason).NextFor("payments", 17); got != want {
			t.Errorf("next for %s is %q, want %q", reason, got, want)
		}
	}
}

func TestInfoOf(t *testing.T) {
	t.Parallel()
	for given, want := range map[rotator.Reason]rotator.Reason{
		rotator.ReasonAccessDenied: rotator.ReasonAccessDenied, rotator.ReasonOfStatus(503): rotator.ReasonStatus,
		rotator.ReasonOfExit(1): rotator.ReasonExit, rotator.ReasonKeyDisabled: "", "some-503": "", "http-": "", "": "",
	} {
		if got := rotator.InfoOf(given); got.Reason != want {
			t.Errorf("%s is explained as %q, want %q", given, got.Reason, want)
		}
	}
}

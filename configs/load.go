package configs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// MaxSize is the size of the largest file that is read: some 50,000 dependents.
const MaxSize = 8 << 20

// Checks are what the daemon knows of kinds and schedules. A nil hook checks
// nothing.
type Checks struct {
	// KindOf returns the kind of the resource with the given id; ok is false for
	// one that cmkd cannot follow.
	KindOf func(id string) (kind string, ok bool)
	// CheckKind reports whether there is such a kind.
	CheckKind func(kind string) bool
	// CheckRule reports whether there is an alert rule of that name.
	CheckRule func(rule string) bool
	// CheckSettings returns what is wrong with the settings of a dependent.
	CheckSettings func(kind string, settings map[string]string) error
	// Now is the time, for what is said of the next times of a schedule; nil for a fixed
	// day.
	Now func() time.Time
	// CheckSchedule returns what is wrong with a schedule that parses.
	CheckSchedule func(spec, zone string) error
	// Traits returns what can be done with dependents of a kind.
	Traits func(kind string) Traits
}

func (c *Checks) now() time.Time {
	if c.Now == nil {
		return fixedDay
	}
	return c.Now()
}

// Traits says what can be done with dependents of a kind. The zero value says
// that nothing is known of it.
type Traits struct {
	// Evidence is the best there can ever be of such a dependent: inferred,
	// observed or confirmed; empty if nothing is known of the kind.
	Evidence string
	// Nudge and Recreate say whether cmkd can do it.
	Nudge, Recreate bool
	// Window is how long the kind may take by itself.
	Window time.Duration
}

// Load reads and checks the configuration file at path, see [Parse].
func Load(path string, checks ...Checks) (*Config, error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, data, checks...)
}

func read(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	info, err := file.Stat()
	if err != nil {
		return nil, unreadable(path, err)
	}
	if info.IsDir() {
		return nil, Errors{{File: path, Message: "is a directory", Hint: "name the file in it"}}
	}
	data, err := io.ReadAll(io.LimitReader(file, MaxSize+1))
	if err != nil {
		return nil, unreadable(path, err)
	}
	return data, nil
}

func unreadable(path string, err error) error {
	var hint string
	switch {
	case errors.Is(err, fs.ErrNotExist):
		hint = "`cmkd config init > " + path + "` writes an example to begin with"
		if path == "" {
			hint = "`cmkd config init > /etc/cmkd/cmkd.yaml` writes an example to begin with"
		}
	case errors.Is(err, fs.ErrPermission):
		hint = "let the daemon's group read it: `chgrp cmkd " + path + " && chmod 640 " + path + "`"
	}
	if cause, ok := errors.AsType[*fs.PathError](err); ok {
		err = cause.Err
	}
	return Errors{{File: path, Message: err.Error(), Hint: hint}}
}

// Parse reads and checks a configuration. The error is [Errors] with everything
// that is wrong. At most one [Checks] is used.
func Parse(name string, data []byte, checks ...Checks) (*Config, error) {
	body, err := document(name, data)
	if err != nil {
		return nil, err
	}
	d := newDecoder(name, len(data))
	config := Default()
	if body != nil {
		ast.Walk(anchorVisitor(d.anchors), body)
		d.value(body, reflect.ValueOf(config).Elem(), slot{})
	}
	v := &validator{decoder: d, config: config}
	if len(checks) > 0 {
		v.checks = checks[0]
	}
	v.resolve()
	v.validate()
	if len(d.problems) > 0 {
		return nil, Errors(inOrder(d.problems))
	}
	config.warnings = inOrder(d.warnings)
	return config, nil
}

// anchorVisitor collects the anchors of a document by name.
type anchorVisitor map[string]ast.Node

// Visit notes node if it is an anchor.
func (v anchorVisitor) Visit(node ast.Node) ast.Visitor {
	if a, ok := node.(*ast.AnchorNode); ok && a.Name != nil {
		v[a.Name.GetToken().Value] = a
	}
	return v
}

// document returns the one document of a file, nil if it is empty.
func document(name string, data []byte) (body ast.Node, err error) {
	if err := plainText(name, data); err != nil {
		return nil, err
	}
	// The parser has no limits of its own, and a stranger's file must not stop
	// the daemon whatever it makes of it.
	defer func() {
		if p := recover(); p != nil {
			err = Errors{{File: name, Message: "is not YAML", Hint: "rewrite it from `cmkd config init`"}}
		}
	}()
	tokens := lexer.Tokenize(strings.TrimPrefix(string(data), "\ufeff"))
	if t := tooDeep(tokens); t != nil {
		return nil, single(name, placeOf(t), "nested too deeply", fmt.Sprintf("at most %d levels", maxDepth))
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, syntax(name, err)
	}
	return only(name, file)
}

// only returns the body of the one document of a file.
func only(name string, file *ast.File) (body ast.Node, err error) {
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil:
		case body != nil:
			return nil, single(name, begin(doc.Body), "a second document begins", "keep one, without the --- line")
		default:
			body = doc.Body
		}
	}
	if _, comment := body.(*ast.CommentGroupNode); comment {
		return nil, nil
	}
	return body, nil
}

func plainText(name string, data []byte) error {
	if len(data) > MaxSize {
		return Errors{{
			File: name, Message: fmt.Sprintf("is larger than %d MiB", MaxSize>>20),
			Hint: "give dependents no settings that are the default",
		}}
	}
	if utf8.Valid(data) {
		return nil
	}
	p := Problem{File: name, Line: 1, Column: 1, Message: "is not UTF-8 text", Hint: "save it as UTF-8"}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		p.Column++
		if r == '\n' {
			p.Line, p.Column = p.Line+1, 1
		}
		i += size
	}
	return Errors{p}
}

// tooDeep returns the token at which a document gets nested too deeply: the
// parser would need time and stack without bound.
func tooDeep(tokens token.Tokens) *token.Token {
	flow, entries, line := 0, 0, 0
	for _, t := range tokens {
		if t.Position == nil {
			continue
		}
		if t.Position.Line != line {
			line, entries = t.Position.Line, 0
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType, token.TagType, token.AnchorType:
			entries++
		}
		if flow > maxDepth || entries > maxDepth || t.Position.IndentNum > 16*maxDepth {
			return t
		}
	}
	return nil
}

func single(name string, p place, message, hint string) error {
	return Errors{{File: name, Line: p.line, Column: p.column, Message: message, Hint: hint}}
}

// syntax turns the parser's complaint into ours.
func syntax(name string, err error) error {
	var wrong *yaml.SyntaxError
	if !errors.As(err, &wrong) {
		return Errors{{File: name, Message: "is not YAML: " + onOneLine(err.Error())}}
	}
	return single(name, placeOf(wrong.Token), "is not YAML: "+onOneLine(wrong.Message), syntaxHint(wrong))
}

func syntaxHint(wrong *yaml.SyntaxError) string {
	switch {
	case strings.Contains(wrong.Message, "reserved character"), strings.Contains(wrong.Message, "alias"):
		return `quote a text that begins with @, * or %, for instance schedule: "@monthly"`
	case strings.Contains(wrong.Message, "'\t'"):
		return "indent with spaces, not with tabs"
	case strings.Contains(wrong.Message, "mapping value is not allowed"):
		return "quote a text that holds a colon and a space"
	case wrong.Token != nil && strings.HasPrefix(wrong.Token.Value, ":"):
		return `quote a text that begins with [ or {, for instance listen: "[::1]:9808"`
	case strings.Contains(wrong.Message, "end character of"):
		return "close the quotes"
	}
	return "look at this line and the one before"
}

// Package kql answers a small subset of the Kusto Query Language over rows in
// memory: what Resource Graph and Log Analytics are asked here. Whatever it does
// not know it refuses, so that nobody relies on it by mistake.
package kql

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Row is a row of a table: a JSON object.
type Row = map[string]any

// Query is a pipeline over rows. The subset: a table, then any of
//
//	where CONDITION          with and, or, not(), parentheses
//	project A, B = PATH, …
//	extend B = PATH, …
//	order by | sort by A [asc|desc]
//	take | limit N
//	summarize [A =] count()|max(PATH)|min(PATH), … by PATH, …
//
// CONDITION compares a path, tolower(path) or tostring(path) with a string by
// ==, !=, =~, !~, contains, !contains, has, startswith, endswith, in, in~, or
// asks isempty(path) or isnotempty(path), isnull or isnotnull; <, <=, > and >=
// compare moments, of which one may be ago(24h).
type Query struct{ steps []func([]Row) []Row }

// Run returns what the query makes of rows, which it leaves as they are.
func (q *Query) Run(rows []Row) []Row {
	for _, step := range q.steps {
		rows = step(rows)
	}
	return rows
}

// Error is a query that is refused.
type Error struct{ Code, Text string }

// Error names the code first, as Resource Graph does.
func (e *Error) Error() string { return e.Code + ": " + e.Text }

func refuse(format string, args ...any) error {
	return &Error{Code: "ParserFailure", Text: fmt.Sprintf(format, args...)}
}

// CodeNotSimulated marks what the language may well have and this subset does
// not. Azure never says it.
const CodeNotSimulated = "NotSimulated"

func notSimulated(format string, args ...any) error {
	return &Error{Code: CodeNotSimulated, Text: "not simulated: " + fmt.Sprintf(format, args...)}
}

// tokens matches strings, names with dots and brackets, numbers, operators.
var tokens = regexp.MustCompile(`'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|!?[A-Za-z_][A-Za-z0-9_.]*~?|\d+[smhd]?|=~|!~|==|!=|<=|>=|[|(),=<>]|\S`)

// parser walks over tokens.
type parser struct {
	tokens []string
	at     int
	now    time.Time // what ago() counts from
}

// Parse reads a query on one table. now is what ago() counts from. Its error is
// an [*Error].
func Parse(text, table string, now time.Time) (*Query, error) {
	p := &parser{tokens: tokens.FindAllString(text, -1), now: now}
	if !strings.EqualFold(p.next(), table) {
		return nil, notSimulated("a query that does not begin with the table %s", table)
	}
	q := &Query{}
	for p.at < len(p.tokens) {
		if p.next() != "|" {
			return nil, refuse("expected | before '%s'", p.tokens[p.at-1])
		}
		step, err := p.step()
		if err != nil {
			return nil, err
		}
		q.steps = append(q.steps, step)
	}
	return q, nil
}

func (p *parser) next() string {
	t := p.peek()
	p.at++
	return t
}

func (p *parser) peek() string {
	if p.at >= len(p.tokens) {
		return ""
	}
	return p.tokens[p.at]
}

// accept takes the next token if it is one of words.
func (p *parser) accept(words ...string) bool {
	if slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, p.peek()) }) {
		p.at++
		return true
	}
	return false
}

// step reads one operator of the pipeline.
func (p *parser) step() (func([]Row) []Row, error) {
	switch name := strings.ToLower(p.next()); name {
	case "where":
		condition, err := p.or()
		if err != nil {
			return nil, err
		}
		return func(rows []Row) []Row {
			return slices.DeleteFunc(slices.Clone(rows), func(d Row) bool { return !condition(d) })
		}, nil
	case "project", "extend":
		return p.columns(name == "extend")
	case "order", "sort":
		return p.order()
	case "summarize":
		return p.summarize()
	case "take", "limit":
		n, err := strconv.Atoi(p.next())
		if err != nil {
			return nil, refuse("%s needs a number", name)
		}
		return func(rows []Row) []Row { return rows[:min(n, len(rows))] }, nil
	default:
		return nil, notSimulated("operator '%s'", name)
	}
}

// columns reads project and extend.
func (p *parser) columns(keep bool) (func([]Row) []Row, error) {
	type column struct {
		name string
		of   operand
	}
	var list []column
	for {
		start := p.peek()
		of, err := p.operand()
		if err != nil {
			return nil, err
		}
		name := strings.ReplaceAll(start, ".", "_")
		if p.accept("=") {
			if of, err = p.operand(); err != nil {
				return nil, err
			}
			name = start
		}
		list = append(list, column{name: name, of: of})
		if !p.accept(",") {
			break
		}
	}
	return func(rows []Row) []Row {
		out := make([]Row, len(rows))
		for i, row := range rows {
			d := Row{}
			if keep {
				d = maps.Clone(row)
			}
			for _, c := range list {
				d[c.name] = c.of(row)
			}
			out[i] = d
		}
		return out
	}, nil
}

// order reads order by.
func (p *parser) order() (func([]Row) []Row, error) {
	if !p.accept("by") {
		return nil, refuse("order needs by")
	}
	of, err := p.operand()
	if err != nil {
		return nil, err
	}
	sign := -1 // KQL sorts descending unless told otherwise
	if p.accept("asc") {
		sign = 1
	} else {
		p.accept("desc")
	}
	return func(rows []Row) []Row {
		rows = slices.Clone(rows)
		slices.SortStableFunc(rows, func(a, b Row) int { return sign * strings.Compare(show(of(a)), show(of(b))) })
		return rows
	}, nil
}

// operand is a value of a row.
type operand func(Row) any

// operand reads a path, a literal, or tolower() and tostring() of one.
func (p *parser) operand() (operand, error) {
	token := p.next()
	switch {
	case token == "'" || token == `"`:
		return nil, refuse("a string does not end")
	case strings.HasPrefix(token, "'") || strings.HasPrefix(token, `"`):
		literal := strings.NewReplacer(`\'`, "'", `\"`, `"`, `\\`, `\`).Replace(token[1 : len(token)-1])
		return func(Row) any { return literal }, nil
	case strings.EqualFold(token, "tolower"), strings.EqualFold(token, "tostring"):
		if !p.accept("(") {
			return nil, refuse("%s needs (", token)
		}
		inner, err := p.operand()
		if err != nil || !p.accept(")") {
			return nil, refuse("%s needs )", token)
		}
		if strings.EqualFold(token, "tolower") {
			return func(d Row) any { return strings.ToLower(show(inner(d))) }, nil
		}
		return func(d Row) any { return show(inner(d)) }, nil
	case token != "" && token[0] >= '0' && token[0] <= '9':
		return func(Row) any { return token }, nil
	case strings.EqualFold(token, "ago"):
		return p.ago()
	case token == "true" || token == "false":
		return func(Row) any { return token == "true" }, nil
	case token != "" && (token[0] == '_' || token[0] >= 'A'):
		return func(d Row) any { return at(d, token) }, nil
	default:
		return nil, notSimulated("'%s' here", token)
	}
}

// show writes a value as tostring() does.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		return encode(v)
	}
}

// encode writes a value as JSON.
func encode(v any) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(v) != nil {
		return "" // rows are JSON, so that they can be written
	}
	return strings.TrimRight(b.String(), "\n")
}

// at returns the value under a dotted path, nil if there is none.
func at(row Row, path string) any {
	var v any = row
	for name := range strings.SplitSeq(path, ".") {
		object, ok := v.(Row)
		if !ok {
			return nil
		}
		v = object[name]
	}
	return v
}

package azuresim

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// query is a pipeline over rows. The subset: a table, then any of
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
type query struct{ steps []func([]doc) []doc }

func (q *query) run(rows []doc) []doc {
	for _, step := range q.steps {
		rows = step(rows)
	}
	return rows
}

// queryError is a query that is refused.
type queryError struct{ code, text string }

// Error names the code first, as Resource Graph does.
func (e *queryError) Error() string { return e.code + ": " + e.text }

func refuse(format string, args ...any) error {
	return &queryError{code: "ParserFailure", text: fmt.Sprintf(format, args...)}
}

// queryToken matches strings, names with dots and brackets, numbers, operators.
var queryToken = regexp.MustCompile(`'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|!?[A-Za-z_][A-Za-z0-9_.]*~?|\d+[smhd]?|=~|!~|==|!=|<=|>=|[|(),=<>]|\S`)

// queryParser walks over tokens.
type queryParser struct {
	tokens []string
	at     int
	now    time.Time // what ago() counts from
}

// parseQuery reads a query on one table.
func parseQuery(text, table string, now time.Time) (*query, error) {
	p := &queryParser{tokens: queryToken.FindAllString(text, -1), now: now}
	if !strings.EqualFold(p.next(), table) {
		return nil, refuse("the first table must be %s", table)
	}
	q := &query{}
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

func (p *queryParser) next() string {
	t := p.peek()
	p.at++
	return t
}

func (p *queryParser) peek() string {
	if p.at >= len(p.tokens) {
		return ""
	}
	return p.tokens[p.at]
}

// accept takes the next token if it is one of words.
func (p *queryParser) accept(words ...string) bool {
	if slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, p.peek()) }) {
		p.at++
		return true
	}
	return false
}

// step reads one operator of the pipeline.
func (p *queryParser) step() (func([]doc) []doc, error) {
	switch name := strings.ToLower(p.next()); name {
	case "where":
		condition, err := p.or()
		if err != nil {
			return nil, err
		}
		return func(rows []doc) []doc {
			return slices.DeleteFunc(slices.Clone(rows), func(d doc) bool { return !condition(d) })
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
		return func(rows []doc) []doc { return rows[:min(n, len(rows))] }, nil
	default:
		return nil, refuse("operator '%s' is not supported", name)
	}
}

// columns reads project and extend.
func (p *queryParser) columns(keep bool) (func([]doc) []doc, error) {
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
	return func(rows []doc) []doc {
		out := make([]doc, len(rows))
		for i, row := range rows {
			d := doc{}
			if keep {
				d = clone(row)
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
func (p *queryParser) order() (func([]doc) []doc, error) {
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
	return func(rows []doc) []doc {
		rows = slices.Clone(rows)
		slices.SortStableFunc(rows, func(a, b doc) int { return sign * strings.Compare(show(of(a)), show(of(b))) })
		return rows
	}, nil
}

// operand is a value of a row.
type operand func(doc) any

// operand reads a path, a literal, or tolower() and tostring() of one.
func (p *queryParser) operand() (operand, error) {
	token := p.next()
	switch {
	case strings.HasPrefix(token, "'") || strings.HasPrefix(token, `"`):
		literal := strings.NewReplacer(`\'`, "'", `\"`, `"`, `\\`, `\`).Replace(token[1 : len(token)-1])
		return func(doc) any { return literal }, nil
	case strings.EqualFold(token, "tolower"), strings.EqualFold(token, "tostring"):
		if !p.accept("(") {
			return nil, refuse("%s needs (", token)
		}
		inner, err := p.operand()
		if err != nil || !p.accept(")") {
			return nil, refuse("%s needs )", token)
		}
		if strings.EqualFold(token, "tolower") {
			return func(d doc) any { return strings.ToLower(show(inner(d))) }, nil
		}
		return func(d doc) any { return show(inner(d)) }, nil
	case token != "" && token[0] >= '0' && token[0] <= '9':
		return func(doc) any { return token }, nil
	case strings.EqualFold(token, "ago"):
		return p.ago()
	case token == "true" || token == "false":
		return func(doc) any { return token == "true" }, nil
	case token != "" && (token[0] == '_' || token[0] >= 'A'):
		return func(d doc) any { return at(d, token) }, nil
	default:
		return nil, refuse("'%s' is not supported here", token)
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
		return string(encode(v))
	}
}

// condition is a test of a row.
type condition func(doc) bool

func (p *queryParser) or() (condition, error) {
	left, err := p.and()
	for err == nil && p.accept("or") {
		var right condition
		if right, err = p.and(); err == nil {
			a, b := left, right
			left = func(d doc) bool { return a(d) || b(d) }
		}
	}
	return left, err
}

func (p *queryParser) and() (condition, error) {
	left, err := p.term()
	for err == nil && p.accept("and") {
		var right condition
		if right, err = p.term(); err == nil {
			a, b := left, right
			left = func(d doc) bool { return a(d) && b(d) }
		}
	}
	return left, err
}

// term reads a parenthesis, a negation, a question or a comparison.
func (p *queryParser) term() (condition, error) {
	switch name := strings.ToLower(p.peek()); name {
	case "(":
		p.next()
		inner, err := p.or()
		if err == nil && !p.accept(")") {
			err = refuse("a ) is missing")
		}
		return inner, err
	case "not":
		p.next()
		inner, err := p.term()
		return func(d doc) bool { return !inner(d) }, err
	case "isempty", "isnotempty", "isnull", "isnotnull":
		p.next()
		if !p.accept("(") {
			return nil, refuse("%s needs (", name)
		}
		of, err := p.operand()
		if err != nil || !p.accept(")") {
			return nil, refuse("%s needs )", name)
		}
		want := name == "isempty" || name == "isnull"
		return func(d doc) bool { return (show(of(d)) == "") == want }, nil
	default:
		return p.comparison()
	}
}

func (p *queryParser) comparison() (condition, error) {
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	operator := strings.ToLower(p.next())
	if operator == "in" || operator == "in~" || operator == "!in" || operator == "!in~" {
		return p.membership(left, operator)
	}
	compare := comparisons()[operator]
	if compare == nil {
		return nil, refuse("operator '%s' is not supported", operator)
	}
	right, err := p.operand()
	if err != nil {
		return nil, err
	}
	return func(d doc) bool { return compare(show(left(d)), show(right(d))) }, nil
}

// membership reads the list of in.
func (p *queryParser) membership(left operand, operator string) (condition, error) {
	if !p.accept("(") {
		return nil, refuse("%s needs (", operator)
	}
	var list []operand
	for {
		of, err := p.operand()
		if err != nil {
			return nil, err
		}
		list = append(list, of)
		if !p.accept(",") {
			break
		}
	}
	if !p.accept(")") {
		return nil, refuse("%s needs )", operator)
	}
	same := func(a, b string) bool { return a == b }
	if strings.HasSuffix(operator, "~") {
		same = strings.EqualFold
	}
	negated := strings.HasPrefix(operator, "!")
	return func(d doc) bool {
		value := show(left(d))
		return slices.ContainsFunc(list, func(of operand) bool { return same(value, show(of(d))) }) != negated
	}, nil
}

// comparisons are the operators; contains and its like ignore case, as in KQL.
func comparisons() map[string]func(a, b string) bool {
	lower := strings.ToLower
	return map[string]func(a, b string) bool{
		"<":          func(a, b string) bool { return a < b },
		"<=":         func(a, b string) bool { return a <= b },
		">":          func(a, b string) bool { return a > b },
		">=":         func(a, b string) bool { return a >= b },
		"==":         func(a, b string) bool { return a == b },
		"!=":         func(a, b string) bool { return a != b },
		"=~":         strings.EqualFold,
		"!~":         func(a, b string) bool { return !strings.EqualFold(a, b) },
		"contains":   func(a, b string) bool { return strings.Contains(lower(a), lower(b)) },
		"!contains":  func(a, b string) bool { return !strings.Contains(lower(a), lower(b)) },
		"has":        func(a, b string) bool { return strings.Contains(lower(a), lower(b)) },
		"startswith": func(a, b string) bool { return strings.HasPrefix(lower(a), lower(b)) },
		"endswith":   func(a, b string) bool { return strings.HasSuffix(lower(a), lower(b)) },
	}
}

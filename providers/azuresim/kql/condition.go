package kql

import (
	"slices"
	"strings"
)

// condition is a test of a row.
type condition func(Row) bool

func (p *parser) or() (condition, error) {
	left, err := p.and()
	for err == nil && p.accept("or") {
		var right condition
		if right, err = p.and(); err == nil {
			a, b := left, right
			left = func(d Row) bool { return a(d) || b(d) }
		}
	}
	return left, err
}

func (p *parser) and() (condition, error) {
	left, err := p.term()
	for err == nil && p.accept("and") {
		var right condition
		if right, err = p.term(); err == nil {
			a, b := left, right
			left = func(d Row) bool { return a(d) && b(d) }
		}
	}
	return left, err
}

// term reads a parenthesis, a negation, a question or a comparison.
func (p *parser) term() (condition, error) {
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
		return func(d Row) bool { return !inner(d) }, err
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
		return func(d Row) bool { return (show(of(d)) == "") == want }, nil
	default:
		return p.comparison()
	}
}

func (p *parser) comparison() (condition, error) {
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
		return nil, notSimulated("operator '%s'", operator)
	}
	right, err := p.operand()
	if err != nil {
		return nil, err
	}
	return func(d Row) bool { return compare(show(left(d)), show(right(d))) }, nil
}

// membership reads the list of in.
func (p *parser) membership(left operand, operator string) (condition, error) {
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
	return func(d Row) bool {
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

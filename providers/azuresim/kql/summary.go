package kql

import (
	"slices"
	"strings"
	"time"
)

// ago reads ago(24h).
func (p *parser) ago() (operand, error) {
	if !p.accept("(") {
		return nil, refuse("ago needs (")
	}
	span := p.next()
	if n := len(span); n > 1 && span[n-1] == 'd' {
		span = strings.TrimSuffix(span, "d") + "h"
		d, err := time.ParseDuration(span)
		if err != nil || !p.accept(")") {
			return nil, refuse("ago needs a duration")
		}
		return p.moment(d * 24), nil
	}
	d, err := time.ParseDuration(span)
	if err != nil || !p.accept(")") {
		return nil, refuse("ago needs a duration")
	}
	return p.moment(d), nil
}

// moment is the time so long before now, in the form of the log's stamps.
func (p *parser) moment(before time.Duration) operand {
	stamp := p.now.Add(-before).UTC().Format("2006-01-02T15:04:05.0000000Z")
	return func(Row) any { return stamp }
}

// aggregate is one column of summarize.
type aggregate struct {
	name, function string
	of             operand
}

// summarize reads aggregates and what they are grouped by.
func (p *parser) summarize() (func([]Row) []Row, error) {
	var columns []aggregate
	for !p.accept("by") {
		column, err := p.aggregate()
		if err != nil {
			return nil, err
		}
		columns = append(columns, column)
		if p.peek() == "" || p.peek() == "|" {
			return grouped(columns, nil, nil), nil
		}
		p.accept(",")
	}
	var names []string
	var by []operand
	for {
		names = append(names, p.peek())
		of, err := p.operand()
		if err != nil {
			return nil, err
		}
		by = append(by, of)
		if !p.accept(",") {
			return grouped(columns, names, by), nil
		}
	}
}

// aggregate reads [A =] count() or max(PATH) or min(PATH).
func (p *parser) aggregate() (aggregate, error) {
	a := aggregate{name: p.next()}
	a.function = strings.ToLower(a.name)
	if p.accept("=") {
		a.function = strings.ToLower(p.next())
	}
	if !p.accept("(") {
		return a, refuse("'%s' is not an aggregate", a.name)
	}
	switch a.function {
	case "count":
		if strings.EqualFold(a.name, "count") {
			a.name = "count_"
		}
	case "max", "min":
		if strings.EqualFold(a.name, a.function) {
			a.name = a.function + "_" + p.peek()
		}
		of, err := p.operand()
		if err != nil {
			return a, err
		}
		a.of = of
	default:
		return a, notSimulated("aggregate '%s'", a.function)
	}
	if !p.accept(")") {
		return a, refuse("a ) is missing")
	}
	return a, nil
}

// grouped makes one row for each combination of values.
func grouped(columns []aggregate, names []string, by []operand) func([]Row) []Row {
	return func(rows []Row) []Row {
		groups := map[string][]Row{}
		var order []string
		for _, row := range rows {
			var key []string
			for _, of := range by {
				key = append(key, show(of(row)))
			}
			joined := strings.Join(key, "\x00")
			if groups[joined] == nil {
				order = append(order, joined)
			}
			groups[joined] = append(groups[joined], row)
		}
		out := make([]Row, 0, len(order))
		for _, joined := range order {
			d := Row{}
			for i, of := range by {
				d[names[i]] = of(groups[joined][0])
			}
			for _, column := range columns {
				d[column.name] = column.over(groups[joined])
			}
			out = append(out, d)
		}
		return out
	}
}

// over computes an aggregate; max and min compare texts, which is right for
// moments of one form.
func (a aggregate) over(rows []Row) any {
	if a.function == "count" {
		return len(rows)
	}
	var values []string
	for _, row := range rows {
		values = append(values, show(a.of(row)))
	}
	if a.function == "max" {
		return slices.Max(values)
	}
	return slices.Min(values)
}

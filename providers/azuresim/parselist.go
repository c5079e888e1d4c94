package azuresim

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// parseList reads what a scenario has under a word, for a simulation that runs
// already: with that word above it, as a bare list, or a single one. Problems are
// reported as [ParseScenario] does, all at once and with their lines; names of what
// the estate has are not among them.
func parseList[T any](name string, data []byte, word, like string, check func(c *checker, at string, one T)) ([]T, error) {
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", word, positioned(name, err))
	}
	list, path, err := decodeList[T](file, data, word)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", word, positioned(name, err))
	}
	c := &checker{name: name, data: data, file: file}
	if len(list) == 0 {
		c.problem("$", "there are no %s; write one like %s", word, like)
	}
	for i, one := range list {
		at := path(i)
		c.walk(at, reflect.ValueOf(one))
		check(c, at, one)
	}
	if len(c.problems) > 0 {
		return nil, fmt.Errorf("read %s: %w", word, errors.Join(c.problems...))
	}
	return list, nil
}

// decodeList decodes one of the three forms, and tells where in it the i-th is.
func decodeList[T any](file *ast.File, data []byte, word string) (list []T, path func(i int) string, err error) {
	var body ast.Node
	if len(file.Docs) > 0 {
		body = file.Docs[0].Body
	}
	switch {
	case body == nil:
		return nil, nil, nil
	case body.Type() == ast.SequenceType:
		err = yaml.UnmarshalWithOptions(data, &list, yaml.Strict())
		return list, func(i int) string { return fmt.Sprintf("$[%d]", i) }, err
	case hasMember(body, word):
		var all map[string][]T
		err = yaml.UnmarshalWithOptions(data, &all, yaml.Strict())
		return all[word], func(i int) string { return fmt.Sprintf("$.%s[%d]", word, i) }, err
	default:
		var one T
		err = yaml.UnmarshalWithOptions(data, &one, yaml.Strict())
		return []T{one}, func(int) string { return "$" }, err
	}
}

func hasMember(body ast.Node, name string) bool {
	mapping, ok := body.(*ast.MappingNode)
	return ok && slices.ContainsFunc(mapping.Values, func(v *ast.MappingValueNode) bool {
		return v.Key.GetToken().Value == name
	})
}

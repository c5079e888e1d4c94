package configs

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// scalar decodes a text, a number or a truth value.
func (d *decoder) scalar(node ast.Node, v reflect.Value, f slot, at place) {
	path := f.path
	switch v.Kind() {
	case reflect.String:
		text, ok := textOf(node)
		if !ok {
			d.mistyped(node, path, "a text")
			return
		}
		if d.secretValue(text, at, path) || d.outside(text, f, at) {
			return
		}
		v.SetString(text)
	case reflect.Bool:
		b, ok := node.(*ast.BoolNode)
		if !ok {
			d.mistyped(node, path, "true or false")
			return
		}
		v.SetBool(b.Value)
	case reflect.Int:
		n, ok := node.(*ast.IntegerNode)
		if !ok {
			d.mistyped(node, path, "a whole number")
			return
		}
		d.number(n, v, f, at)
	}
}

func (d *decoder) number(node *ast.IntegerNode, v reflect.Value, f slot, at place) {
	least, most, _ := strings.Cut(f.tag.Get("range"), "|")
	low, _ := strconv.ParseInt(least, 10, 64)
	high, _ := strconv.ParseInt(most, 10, 64)
	n, err := strconv.ParseInt(fmt.Sprint(node.Value), 10, 64)
	if err != nil || n < low || n > high {
		d.fail(at, f.path, fmt.Sprintf("%v is out of range", node.Value), fmt.Sprintf("from %d to %d", low, high))
		return
	}
	v.SetInt(n)
}

// text decodes what reads itself from a text: a duration.
func (d *decoder) text(node ast.Node, u encoding.TextUnmarshaler, f slot, at place) {
	text, ok := textOf(node)
	if n, isNumber := node.(*ast.IntegerNode); isNumber {
		text, ok = n.GetToken().Value, true
	}
	if !ok {
		d.mistyped(node, f.path, "a duration such as 30m or 1d12h")
		return
	}
	if err := u.UnmarshalText([]byte(text)); err != nil {
		d.fail(at, f.path, err.Error(), "")
		return
	}
	got, isDuration := u.(*Duration)
	least, most, found := strings.Cut(f.tag.Get("range"), "|")
	if !isDuration || !found {
		return
	}
	low, _ := ParseDuration(least)
	high, _ := ParseDuration(most)
	if *got < low || *got > high {
		d.fail(at, f.path, quote(text)+" is out of range", fmt.Sprintf("from %s to %s", low, high))
		*got = 0
	}
}

// textOf returns the text of a node that is one.
func textOf(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.MappingNode:
		return glued(n)
	}
	return "", false
}

// glued returns the text that the parser took for a mapping: in {a: [user:x]} a
// colon without a space after it is part of the text, but not for this parser.
func glued(m *ast.MappingNode) (string, bool) {
	if len(m.Values) != 1 || m.Start == nil || m.Start.Type == token.MappingStartType {
		return "", false
	}
	key, colon := m.Values[0].Key.GetToken(), m.Values[0].Start
	if m.Values[0].Value == nil || colon == nil || key.Type != token.StringType {
		return "", false
	}
	value := m.Values[0].Value.GetToken()
	k, c, v := placeOf(key), placeOf(colon), placeOf(value)
	width := utf8.RuneCountInString(key.Value)
	if k.line != v.line || c.column != k.column+width || v.column != c.column+1 {
		return "", false
	}
	return key.Value + ":" + value.Value, true
}

// outside complains of a text that is not among those its field allows.
func (d *decoder) outside(text string, f slot, at place) bool {
	if enum := f.tag.Get("enum"); enum != "" {
		words := strings.Split(enum, "|")
		if slices.Contains(words, text) {
			return false
		}
		message := fmt.Sprintf("%s is not one of %s", quote(text), strings.Join(words, ", "))
		d.fail(at, f.path, message, suggest(text, words))
		return true
	}
	if name := f.tag.Get("form"); name != "" {
		if message, hint := forms[name].inspect(text); message != "" {
			d.fail(at, f.path, message, hint)
			return true
		}
	}
	return false
}

func (d *decoder) mistyped(node ast.Node, path, want string) {
	hint := ""
	switch n := node.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		if want == "a text" {
			hint = fmt.Sprintf("quote it: %q", n.GetToken().Value)
		}
	case *ast.StringNode:
		switch want {
		case "true or false":
			hint = "without quotes; yes, no, on and off are texts"
		case "a whole number":
			hint = "in digits, without quotes"
		}
	case ast.MapNode:
		if want == "a text" {
			hint = "quote a text that holds a colon"
		}
	}
	d.fail(begin(node), path, "want "+want+", not "+kindOfNode(node), hint)
}

func kindOfNode(node ast.Node) string {
	switch node.(type) {
	case *ast.StringNode, *ast.LiteralNode:
		return "a text"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.BoolNode:
		return "true or false"
	case *ast.SequenceNode:
		return "a list"
	case ast.MapNode:
		return "a mapping"
	}
	return "this"
}

package azuresim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// doc is a JSON object as Azure sends it: names in Azure's own case.
type doc = map[string]any

// decodeDoc reads a JSON object and keeps numbers as they were written: Azure
// answers memoryInGB 1.0 with 1.0 [recording containerinstance.create].
func decodeDoc(body []byte) (doc, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return doc{}, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var d doc
	if err := decoder.Decode(&d); err != nil {
		return nil, fmt.Errorf("decode request body: %w", err)
	}
	if d == nil {
		d = doc{}
	}
	return d, nil
}

// encode writes v as JSON without escaping the & of URLs, as Azure does.
func encode(v any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return []byte(`{"error":{"code":"InternalServerError","message":"unencodable"}}`)
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// clone copies d deeply.
func clone(d doc) doc {
	if d == nil {
		return nil
	}
	return cloneValue(d).(doc)
}

func cloneValue(v any) any {
	switch v := v.(type) {
	case doc:
		out := make(doc, len(v))
		for name, value := range v {
			out[name] = cloneValue(value)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, value := range v {
			out[i] = cloneValue(value)
		}
		return out
	default:
		return v
	}
}

// plain turns d into what encoding/json makes of it by default, for callers
// outside the package.
func plain(d doc) doc {
	var out doc
	if json.Unmarshal(encode(d), &out) != nil {
		return doc{}
	}
	return out
}

// at returns the value under a dotted path, or nil.
func at(d doc, path string) any {
	var v any = d
	for name := range strings.SplitSeq(path, ".") {
		object, ok := v.(doc)
		if !ok {
			return nil
		}
		v = object[name]
	}
	return v
}

// text returns the string under a dotted path, or "".
func text(d doc, path string) string {
	s, _ := at(d, path).(string)
	return s
}

// truth returns the boolean under a dotted path, or false.
func truth(d doc, path string) bool {
	b, _ := at(d, path).(bool)
	return b
}

// object returns the object under a dotted path, made on the way if absent.
func object(d doc, path string) doc {
	for name := range strings.SplitSeq(path, ".") {
		next, ok := d[name].(doc)
		if !ok {
			next = doc{}
			d[name] = next
		}
		d = next
	}
	return d
}

// put sets the value under a dotted path.
func put(d doc, path string, value any) {
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		d, path = object(d, path[:i]), path[i+1:]
	}
	d[path] = value
}

// merge lays patch over d: objects member by member, null removes, everything
// else replaces (RFC 7396, which ARM's PATCH follows).
func merge(d, patch doc) {
	for name, value := range patch {
		if value == nil {
			delete(d, name)
			continue
		}
		inner, ok := value.(doc)
		if !ok {
			d[name] = cloneValue(value)
			continue
		}
		target, ok := d[name].(doc)
		if !ok {
			target = doc{}
			d[name] = target
		}
		merge(target, inner)
	}
}

// defaults fills in the members of d that are missing.
func defaults(d, from doc) {
	for name, value := range from {
		have, ok := d[name]
		if !ok {
			d[name] = cloneValue(value)
			continue
		}
		inner, isDoc := value.(doc)
		target, isTarget := have.(doc)
		if isDoc && isTarget {
			defaults(target, inner)
		}
	}
}

// stampZ formats t with seven digits and Z, as Storage and Container Instances
// do [recording storage.customer-managed-key].
func stampZ(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }

// stampOffset formats t with seven digits and +00:00, as Compute does
// [recording compute.disk-encryption-set-update].
func stampOffset(t time.Time) string {
	return t.UTC().Format("2006-01-02T15:04:05.0000000") + "+00:00"
}

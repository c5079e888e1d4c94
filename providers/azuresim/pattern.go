package azuresim

import (
	"fmt"
	"regexp"
	"strings"
)

// compilePattern makes a matcher of a glob (* is any text, ? one character) or
// of a /regular expression/. Case does not count; nil matches everything.
func compilePattern(pattern string) (*regexp.Regexp, error) {
	if pattern == "" {
		return nil, nil
	}
	expression := ""
	if inner, ok := strings.CutPrefix(pattern, "/"); ok && len(inner) > 1 && strings.HasSuffix(inner, "/") {
		expression = "(?i)" + strings.TrimSuffix(inner, "/")
	} else {
		quoted := regexp.QuoteMeta(pattern)
		quoted = strings.ReplaceAll(quoted, `\*`, ".*")
		expression = "(?is)^" + strings.ReplaceAll(quoted, `\?`, ".") + "$"
	}
	re, err := regexp.Compile(expression)
	if err != nil {
		return nil, fmt.Errorf("compile pattern: %w", err)
	}
	return re, nil
}

// globMatches says whether a glob covers a name.
func globMatches(pattern, name string) bool {
	re, err := compilePattern(pattern)
	return err == nil && (re == nil || re.MatchString(name))
}

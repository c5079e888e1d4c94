package arm

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"cmkd/rotator"
)

// maxPages bounds a list. A page of ARM holds up to 1,000 resources.
const maxPages = 10_000

// List reads a collection page by page and hands each element to each, whose
// error ends it. Empty pages are passed over; an answer that is no page, and a link
// to another host or to a page already read, is an error.
func (c *Client) List(ctx context.Context, path, apiVersion string, each func(json.RawMessage) error, o CallOptions) (Response, error) {
	var page listPage
	resp, err := c.Do(ctx, http.MethodGet, path, apiVersion, nil, &page, o)
	if err != nil {
		return resp, err
	}
	seen := map[string]bool{}
	for pages := 1; ; pages++ {
		if page.Value == nil {
			return resp, noPage(path)
		}
		for _, element := range page.Value {
			if err := each(element); err != nil {
				return resp, err
			}
		}
		next, err := c.nextPage(page.NextLink, seen, pages)
		if err != nil || next == nil {
			return resp, err
		}
		page = listPage{}
		if resp, err = c.exchange(ctx, http.MethodGet, next, nil, o); err != nil {
			return resp, err
		}
		if err := decode(resp, &page, http.MethodGet, path); err != nil {
			return resp, err
		}
	}
}

// noPage is the error of an answer that does not say what is in the list: it is none
// that nothing is.
func noPage(path string) error {
	return &rotator.Error{
		Code: rotator.CodeUnavailable, Reason: rotator.ReasonUnreadableAnswer, NoEffect: true,
		Message: "the answer to " + path + " is no page of a list",
		Hint:    "a proxy may have answered instead of Azure; otherwise report this with the api-version",
	}
}

type listPage struct {
	Value    []json.RawMessage `json:"value"`
	NextLink string            `json:"nextLink"`
}

func (c *Client) nextPage(link string, seen map[string]bool, pages int) (*url.URL, error) {
	if link == "" {
		return nil, nil
	}
	if seen[link] || pages >= maxPages {
		return nil, &rotator.Error{
			Code: rotator.CodeUnavailable, Reason: rotator.ReasonEndlessList, NoEffect: true,
			Message: "the list's pages do not end",
		}
	}
	seen[link] = true
	return c.follow(link)
}

package dashboardtest

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

func call[P, R any](b *Browser, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, Patience)
	defer cancel()
	result, err := chromedp.Call(ctx, command, params)
	if err != nil {
		b.t.Fatalf("%s: %v", command.Method, err)
	}
	return result
}

// Do runs actions of chromedp.
func (b *Browser) Do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, Patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// Open shows a page and waits until its heading says so.
func (b *Browser) Open(url, heading string) {
	b.t.Helper()
	b.Do(chromedp.Navigate(url))
	b.Wait("document.querySelector('h1')?.textContent.includes(" + strconv.Quote(heading) + ")")
}

// Eval returns what an expression is on the page; a promise is waited for.
func Eval[T any](b *Browser, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, Patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// Wait waits until an expression holds on the page.
func (b *Browser) Wait(expression string) {
	b.t.Helper()
	if !Eval[bool](b, `new Promise((resolve) => {
		const end = performance.now() + `+strconv.FormatInt(Patience.Milliseconds()-2000, 10)+`;
		const holds = () => { try { return `+expression+`; } catch { return false; } };
		const look = () => {
			if (holds()) resolve(true);
			else if (performance.now() > end) resolve(false);
			else setTimeout(look, 20);
		};
		look();
	})`) {
		b.t.Fatalf("does not come: %s\nthe page says:\n%s\nproblems: %q", expression, b.Text("body"), b.Problems())
	}
}

// Text returns the text of the first element that a selector finds, as it is shown.
func (b *Browser) Text(selector string) string {
	b.t.Helper()
	return Eval[string](b, "document.querySelector("+strconv.Quote(selector)+")?.innerText ?? ''")
}

// Press presses a key, for instance kb.Tab.
func (b *Browser) Press(key string) {
	b.t.Helper()
	b.Do(chromedp.KeyEvent(key))
}

// Look says on what kind of screen the page is seen.
type Look struct {
	Name          string
	Width, Height int64
	Dark          bool
}

// Looks are those that every page is tried with.
func Looks() []Look {
	return []Look{
		{"wide-light", 1360, 900, false}, {"wide-dark", 1360, 900, true},
		{"narrow-light", 390, 844, false}, {"narrow-dark", 390, 844, true},
	}
}

// Emulate changes the screen.
func (b *Browser) Emulate(l Look) {
	b.t.Helper()
	b.Do(chromedp.EmulateViewport(l.Width, l.Height))
	scheme := "light"
	if l.Dark {
		scheme = "dark"
	}
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

// Shoot writes a screenshot of the whole page into [Folder].
func (b *Browser) Shoot(name string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, Patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatalf("screenshot %s: %v", name, err)
	}
	if err := os.WriteFile(filepath.Join(Folder(b.t), name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// Node is what a screen reader gets of an element.
type Node struct {
	Role, Name, Value string
}

// Tree returns what a screen reader gets of the page, in its order.
func (b *Browser) Tree() (nodes []Node) {
	b.t.Helper()
	for _, n := range call(b, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes {
		if !n.Ignored {
			nodes = append(nodes, Node{Role: text(n.Role), Name: text(n.Name), Value: text(n.Value)})
		}
	}
	return nodes
}

// text reads a value, which is a string wherever it is a name or a role.
func text(v *accessibility.Value) string {
	if v == nil || len(v.Value) == 0 {
		return ""
	}
	var s string
	if json.Unmarshal(v.Value, &s) != nil {
		return string(v.Value)
	}
	return s
}

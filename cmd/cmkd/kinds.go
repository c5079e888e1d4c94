package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cmkd/providers/kind"
	"cmkd/rotator"
)

func (a *app) kindsCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "kinds [KIND]",
		Short: "List the kinds of dependent, and what is known of each",
		Long: `List the kinds of dependent that cmkd follows: how they name their key, what is known of
the version in use and how well, how long a new version takes, and when a denial can show.
With a kind, tell all of it: each use of a key, what is blind and has to be attested, every
call and permission, the settings, the limits, and where that is from. No daemon is needed.`,
		Example: `  cmkd kinds
  cmkd kinds managed-cluster
  cmkd kinds -o json`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeKind,
		RunE: func(_ *cobra.Command, args []string) error {
			all := kind.Infos()
			if len(args) == 0 {
				return a.print(all, func() error { a.printKinds(all); return nil })
			}
			n := slices.IndexFunc(all, func(k kind.Info) bool { return k.Kind == args[0] })
			switch {
			case args[0] == rotator.KindManual:
				return a.print(kind.AllByHand(), func() error { a.printByHand(kind.AllByHand()); return nil })
			case n < 0:
				return rotator.Errorf(rotator.CodeNotFound, "%s is no kind of dependent", args[0]).
					WithHint("cmkd kinds lists them; for whatever is none of these: kind %s, and cmkd attest", rotator.KindManual)
			}
			return a.print(all[n], func() error { a.printKind(&all[n]); return nil })
		},
	}
}

func (a *app) printKinds(all []kind.Info) {
	g := newGrid(a.out, "kind", "binding", "at best", "new version", "denial", "changed by", "maturity")
	for i := range all {
		k := &all[i]
		var by []string
		for _, u := range k.Uses {
			by = append(by, u.By)
		}
		maturity, _, _ := strings.Cut(k.Maturity, ":")
		g.add(k.Kind, bindings(k), string(k.Best), documented(k.Window), documented(k.Revocation), strings.Join(slices.Compact(by), "; "), maturity)
	}
	g.render()
	a.say("Whatever is none of these: kind %s. cmkd kinds KIND tells the whole story of one.", rotator.KindManual)
}

func bindings(k *kind.Info) string {
	names := make([]string, len(k.Bindings))
	for i, b := range k.Bindings {
		names[i] = string(b)
	}
	return strings.Join(names, ", ")
}

// documented is a time that is documented, or not.
func documented(d time.Duration) string {
	if d == 0 {
		return "not documented"
	}
	return span(d)
}

func (a *app) printKind(k *kind.Info) {
	a.say("%s  %s, api-version %s", a.bold(k.Kind), k.Type, k.APIVersion)
	a.field("maturity", k.Maturity)
	a.field("binding", bindings(k))
	a.field("evidence", k.Evidence)
	a.field("window", documented(k.Window)+" for a new version, "+documented(k.Revocation)+" until a denial can show")
	if k.Late != "" {
		a.field("", "a denial may show later: "+k.Late)
	}
	a.field("denial", "seen by "+k.Denial)
	a.field("revoked", k.Revoked)
	a.field("rollback", cmp.Or(strings.Join(k.Missing, ", "), "it has no code of its own for a version that is missing"))
	listed(a, "takes", k.Takes, func(s string) string { return s })
	listed(a, "blind", k.Blind, func(b rotator.BlindSpot) string { return b.What + ": " + b.Why })
	listed(a, "settings", k.Settings, func(s kind.SettingInfo) string { return s.Name + ": " + s.Doc })
	listed(a, "limits", k.Limits, func(s string) string { return s })
	listed(a, "sources", k.Sources, func(s string) string { return s })
	a.say("")
	uses := newGrid(a.out, "use", "named by", "version in use", "at best", "held", "changed by")
	for _, u := range k.Uses {
		best := string(u.Best)
		if u.After > 0 {
			best = fmt.Sprintf("%s after %s", best, span(u.After))
		}
		uses.add(u.Use, u.NamedBy, u.Version, dash(best), dash(u.Held), u.By)
	}
	uses.render()
	a.say("")
	calls := newGrid(a.out, "call", "path", "api-version", "when")
	for _, c := range k.Calls {
		calls.add(c.Method, c.Path, c.APIVersion, c.When)
	}
	calls.render()
	a.say("")
	roles := newGrid(a.out, "role", "scope", "least action", "when")
	for _, p := range k.Permissions {
		roles.add(p.Role, p.Scope, p.Action, p.When)
	}
	roles.render()
}

func (a *app) printByHand(all []kind.ByHand) {
	a.say("%s  Nothing is read: a person looks, and attests. So it is with every dependent that is excluded.", a.bold(rotator.KindManual))
	a.say("What to look at in services that cmkd does not read yet:")
	for _, m := range all {
		a.say("")
		a.say("%s  %s", a.bold(m.Service), m.Type)
		a.field("look", m.Look)
		a.field("told by", m.How)
		a.field("beware", m.Beware)
	}
}

// listed prints one line for each.
func listed[T any](a *app, label string, all []T, text func(T) string) {
	for i, one := range all {
		if i > 0 {
			label = ""
		}
		a.field(label, text(one))
	}
}

func completeKind(_ *cobra.Command, args []string, begun string) (all []cobra.Completion, _ cobra.ShellCompDirective) {
	for _, k := range kind.Infos() {
		if len(args) == 0 && strings.HasPrefix(k.Kind, begun) {
			all = append(all, cobra.CompletionWithDesc(k.Kind, k.Type))
		}
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

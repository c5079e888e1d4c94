package main

import (
	"strings"

	"github.com/spf13/cobra"

	"cmkd/rotator"
)

func (a *app) reasonsCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "reasons [CODE]",
		Short: "Explain the codes of what can be wrong",
		Long: `Explain a code that stands in a status, an alert or an error: what is the case, why it
happens and what to do. Without a code, explain all of cmkd's own; all others are
Azure's. No daemon is needed.`,
		Example: `  cmkd reasons access-denied
  cmkd reasons -o json`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeReason,
		RunE: func(_ *cobra.Command, args []string) error {
			reasons := rotator.Reasons()
			if len(args) > 0 {
				info := rotator.InfoOf(rotator.Reason(args[0]))
				if info.Reason == "" {
					return rotator.Errorf(rotator.CodeNotFound, "%s is no code of cmkd's own", args[0]).
						WithHint("if Azure gave it, its documentation explains it; cmkd reasons lists those of cmkd")
				}
				reasons = []rotator.ReasonInfo{info}
			}
			return a.print(reasons, func() error { a.printReasons(reasons); return nil })
		},
	}
}

func (a *app) printReasons(reasons []rotator.ReasonInfo) {
	for _, r := range reasons {
		a.say("%s  %s", a.bold(string(r.Reason)), r.Sentence)
		a.field("why", r.Cause)
		a.field("do", r.Next)
	}
}

func completeReason(_ *cobra.Command, args []string, begun string) (all []cobra.Completion, _ cobra.ShellCompDirective) {
	for _, r := range rotator.Reasons() {
		if len(args) == 0 && strings.HasPrefix(string(r.Reason), begun) {
			all = append(all, cobra.CompletionWithDesc(string(r.Reason), r.Sentence))
		}
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

package teeth

func inKinds(run string) test  { return test{"providers/kind", run} }
func inEngine(run string) test { return test{"rotator/engine", run} }

// ofKinds are faults of what is read of Azure: absence taken for proof, the answer of
// somebody else, a use or a held version that nobody looks at.
var ofKinds = []tooth{
	{"an identity that is gone reads keys", "providers/kind/identity.go", []edit{{"if d.Identity == nil ||", "if true ||"}}, inKinds("TestDecode.*")},
	{"an empty document is one that uses no key", "providers/kind/resource.go", []edit{{
		"case shown == \"\" || typ == \"\" || len(doc.object(\"properties\")) == 0:", "case false:",
	}}, inKinds("TestObserve_HeedsWhoAnswers")},
	{"another resource may answer", "providers/kind/resource.go", []edit{{
		`case id == "" || strings.EqualFold(parsed.String(), id):`, "case true:",
	}}, inKinds("TestObserve_HeedsWhoAnswers")},
	{"a resource of another type may answer", "providers/kind/resource.go", []edit{{
		"case !parsed.Is(r.Type) || !strings.EqualFold(typ, r.Type):", "case false:",
	}}, inKinds("TestObserve_HeedsWhoAnswers")},
	{"a use that is absent is of Microsoft's key", "providers/kind/decode.go", []edit{{
		"		use.Unknown = u.notShown(doc)\n", "		use.Microsoft = true\n",
	}}, inKinds("TestObserve_WithoutAProperty")},
	{"whose key it is need not be said", "providers/kind/decode.go", []edit{{
		"	default:\n		use.Unknown = &rotator.Problem{\n			Code: rotator.ReasonUnknownKeySource", "	case true:\n		use.Microsoft = true\n	default:\n		use.Unknown = &rotator.Problem{\n			Code: rotator.ReasonUnknownKeySource",
	}}, inKinds("TestObserve_WithoutAProperty")},
	{"a vault that cannot be read is no key", "providers/kind/decode.go", []edit{{
		"		use.Unknown = unreadableKey(u.Vault, err)\n", "		use.Microsoft = err != nil\n",
	}}, inKinds("TestObserve_spellings|TestObserve_by_kind|TestPaths_mutations_are_noticed")},
	{"an unnamed version is the one wanted", "providers/kind/decode.go", []edit{{
		"	case u.Current == \"\" && ref.version == \"\" && use.Unknown == nil:", "	case false:",
	}}, inKinds("TestObserve_by_kind|TestObserve_Golden|TestObserve_WithoutAProperty|TestDecode_uses")},
	{"a document without its state is whole", "providers/kind/decode.go", []edit{{
		"if use.Unknown == nil && doc.text(d.State) == \"\" {", "if false {",
	}}, inKinds("TestObserve_WithoutAProperty")},
	{"held versions are not read", "providers/kind/decode.go", []edit{{"	u.held(doc, &use, o)\n", ""}}, inKinds("TestDecode_held_of_another_key|TestFind_heeds_held_versions|TestObserve_Golden")},
	{"what is below an account is not looked at", "providers/kind/storage.go", []edit{{"		Children: encryptionScopes(),\n", ""}}, inKinds("TestObserve_EncryptionScopes|TestFind_EncryptionScopes")},
	{"the etcd of a cluster is not looked at", "providers/kind/managedcluster.go", []edit{{"Path: kms, Witness: security, URI: kmsKey,", "Path: kms, Witness: security, URI: \"properties.none\","}}, inKinds("TestObserve_Cluster|TestManagedCluster_Examples|TestObserve_Golden")},
	{"what an etcd was told is a state", "providers/kind/managedcluster.go", []edit{{"Setting: true, Previous: true,", "Previous: true,"}}, inKinds("TestObserve_Cluster|TestObserve_by_kind|TestDocs_Evidence")},
	{"an etcd needs no previous version", "providers/kind/managedcluster.go", []edit{{"Setting: true, Previous: true,", "Setting: true,"}}, inKinds("TestObserve_Cluster|TestDocs_Evidence")},
	{"nodes with ephemeral disks are seen", "providers/kind/managedcluster.go", []edit{{"Blind: ephemeralPools,", ""}}, inKinds("TestObserve_Cluster")},
	{"a volume's set is not looked at", "providers/kind/managedcluster.go", []edit{{" More: volumeSets,", ""}}, inKinds("TestObserve_Cluster")},
	{"disks that cannot be read are none", "providers/kind/managedcluster.go", []edit{{
		"		o.BlindSpots = append(o.BlindSpots, rotator.BlindSpot{What: \"volumes\", Why: \"the disks in group \" + group + \" cannot be read: \" + err.Error()})\n", "",
	}}, inKinds("TestObserve_Cluster")},
	{"backups of Cosmos DB need nothing", "providers/kind/cosmosdb.go", []edit{{
		`		BlindSpots: []rotator.BlindSpot{{What: "backups", Why: "they need the version that was current when they were made, still enabled"}},` + "\n", "",
	}}, inKinds("TestDocs_Evidence|TestObserve_by_kind")},
	{"an undocumented status is a denial", "providers/kind/cosmosdb.go", []edit{{
		"	return rotator.AccessUnknown, code\n}", "	return rotator.AccessDenied, code\n}",
	}}, inKinds("TestKeyStatus")},
	{"a provider that is not registered cannot be searched", "providers/kind/find.go", []edit{{
		"rotator.AsError(err).Reason == missingRegistration", "false",
	}}, inKinds("TestFind_NotRegistered")},
	{"one that does not answer hides the others", "providers/kind/find.go", []edit{{
		"			err = cmp.Or(err, wrap(\"search\", &suspects[i].found.Dependent, why))\n", "			return nil, cmp.Or(err, wrap(\"search\", &suspects[i].found.Dependent, why))\n",
	}}, inKinds("TestFind_OneThatDoesNotAnswerHidesNoOther")},
	{"what cannot be read is not found", "providers/kind/find.go", []edit{{
		"case f.Unknown != nil || s.via", "case s.via",
	}}, inKinds("TestFind_InDoubtOfEveryKind")},
	{"what is of another type is not there", "providers/kind/decode.go", []edit{{"	if p := u.mistyped(doc); p != nil {\n", "	if p := u.mistyped(doc); false {\n"}}, inKinds("TestObserve_OddIsUnknown|TestFind_OddIsFound")},
	{"a part without its words is not there", "providers/kind/decode.go", []edit{{"	case u.Witness != \"\":\n	case u.Owner", "	case u.Owner"}}, inKinds("TestObserve_OddIsUnknown|TestFind_OddIsFound")},
	{"a held version that cannot be read is none", "providers/kind/decode.go", []edit{{"			default:\n				use.Unknown = cmp.Or(use.Unknown, problem)\n", "			default:\n				complain(o, problem)\n"}}, inKinds("TestObserve_OddIsUnknown")},
	{"held versions that are no list are none", "providers/kind/decode.go", []edit{{"use.Unknown = cmp.Or(use.Unknown, strange(h.List, \"list\"))", "_ = is"}}, inKinds("TestObserve_OddIsUnknown")},
	{"pools that are not shown are none", "providers/kind/managedcluster.go", []edit{{"if len(doc.list(pools)) == 0 {", "if false {"}}, inKinds("TestObserve_OddIsUnknown")},
	{"disks that are not said to be ephemeral are not", "providers/kind/managedcluster.go", []edit{{"		case disk == \"\":\n", "		case false:\n"}}, inKinds("TestObserve_OddIsUnknown")},
	{"a volume without its set is under none", "providers/kind/managedcluster.go", []edit{{"if set == \"\" && !strings.EqualFold", "if false && !strings.EqualFold"}}, inKinds("TestObserve_OddIsUnknown")},
	{"restore points that are not shown are none", "providers/kind/restorepoints.go", []edit{{"root.([]any); !is {", "root.([]any); false && !is {"}}, inKinds("TestObserve_OddIsUnknown")},
	{"a copy without its set is under none", "providers/kind/restorepoints.go", []edit{{"if hidden || strings", "if hidden && false || strings"}}, inKinds("TestObserve_OddIsUnknown")},
}

// ofStatements are faults of what is made of it: what a dependent is said to be, and what
// a retirement rests on.
var ofStatements = []tooth{
	{"what is unknown is done", "rotator/engine/look.go", []edit{{"	case p != nil:\n		return t.untold(p, l), \"\"\n", ""}}, inEngine("TestUnknown.*")},
	{"one look that does not tell takes back what was seen", "rotator/engine/look.go", []edit{{"case t.State.Settled() && t.Failures < alerting.Patience:", "case false:"}}, inEngine("TestUnknown_OneLookIsNoDoubt")},
	{"a use that was known may be gone", "rotator/use.go", []edit{{"case len(left) > 0:", "case false:"}, {"case !u.Absent() || n >= 0:", "case !u.Absent():"}}, inEngine("TestStanding_OnceKnownIsUnknownWhenAbsent")},
	{"a setting is a state", "rotator/engine/look.go", []edit{{"case t.onTarget(l) && !o.Settings(key):", "case t.onTarget(l):"}}, inEngine("TestUses_.*")},
	{"the update is the evidence", "rotator/engine/look.go", []edit{{"return l.seen.On(l.op.KeyID, l.op.Target.ID)", "return l.applied != \"\" && l.applyErr == nil || l.seen.On(l.op.KeyID, l.op.Target.ID)"}}, inEngine("TestUses_.*|TestLook.*|TestRotation.*")},
	{"the time that passes is evidence for what is held", "rotator/engine/look.go", []edit{{"return !l.seen.Partial && !l.seen.Holds(l.op.KeyID, l.op.Target.ID)", "return true"}}, inEngine("TestUses_.*")},
	{"the nearest use says where a dependent is", "rotator/use.go", []edit{{"		if u.Version == \"\" || u.Version != version {\n			return false\n		}\n		on = true\n", "		on = on || u.Version == version\n"}}, inEngine("TestUses_.*")},
	{"who follows is pinned without being asked", "rotator/engine/look.go", []edit{{"t.Detail.BoundBefore == rotator.BindingFollows:", "false:"}}, inEngine("TestPinnedMeanwhile")},
	{"a denied dependent is done", "rotator/engine/look.go", []edit{{"case o.Access == rotator.AccessDenied && o.Names(key): //", "case false: //"}}, inEngine("TestUses_DeniedIsNotDone")},
	{"an update that is refused is repeated at once", "rotator/engine/tell.go", []edit{{"max(refusedAgain(d.Refused), l.applyErr.RetryAfter)", "time.Second"}}, inEngine("TestUses_.*")},
	{"a dependent in doubt may be retired from by itself", "rotator/engine/guard.go", []edit{{"	if g.op.Retirer != \"\" {\n		return nil\n	}\n	for i", "	for i := range g.trackers[:0] {\n		_ = i\n	}\n	for i := range 0"}}, inEngine("TestInferred_WaitsForAPerson")},
	{"what cannot be seen holds nothing", "rotator/engine/guard.go", []edit{{"dependentsSeenAfresh, blindSpotsAttested, unseenAttested,", "dependentsSeenAfresh, unseenAttested,"}}, inEngine("TestBlindSpot.*")},
	{"what nobody looks at holds nothing", "rotator/engine/guard.go", []edit{{"blindSpotsAttested, unseenAttested,", "blindSpotsAttested,"}}, inEngine("TestUnseen.*")},
	{"who attests may retire", "rotator/engine/guard.go", []edit{{" attestedByAnother,", ""}}, inEngine("TestBlindSpot.*|TestUnseen.*|TestAttestation.*")},
	{"an attestation does not end", "rotator/engine/guard.go", []edit{{"covers := a.Holds(g.now) && ", "covers := "}}, inEngine("TestAttestation_Ends")},
	{"an attestation is of any binding", "rotator/engine/guard.go", []edit{{"(a.Binding == \"\" || t.Detail.Binding == \"\" || a.Binding == t.Detail.Binding)", "true"}, {"covers := a.Holds(g.now) && true", "covers := a.Holds(g.now)"}}, inEngine("TestGuard.*|TestAttest.*")},
	{"an attestation is of later blind spots", "rotator/engine/guard.go", []edit{{"covers = covers && slices.Contains(a.BlindSpots, what)", "_ = what"}}, inEngine("TestBlindSpot_OfLater")},
	{"what is seen voids no attestation", "rotator/engine/observe.go", []edit{{"		attesting(c).observed(l, &t, r.observation)\n", ""}}, inEngine("TestAttestation_Ends")},
	{"nobody looks again before a version is retired", "rotator/engine/guard.go", []edit{{"dependentsListed, dependentsSeenAfresh,", "dependentsListed,"}}, inEngine("TestGuard.*")},
	{"what was seen before the guard began counts", "rotator/engine/observe.go", []edit{{"case l.stale[t.Number] && l.older[t.Number]:", "case false:"}}, inEngine("TestGuard.*")},
	{"a search that is switched off saw everything", "rotator/engine/guard.go", []edit{{"if g.undiscovered {", "if false {"}}, inEngine("TestSearch_SwitchedOffRetiresNothing")},
	{"a retirement has no probation", "rotator/engine/probation.go", []edit{{"if lasts <= 0 || l.op.Compromised {", "if true {"}}, inEngine("TestProbation.*")},
	{"what is compromised is enabled again", "rotator/engine/probation.go", []edit{{"if lasts <= 0 || l.op.Compromised {", "if lasts <= 0 {"}}, inEngine("TestProbation_NoneForTheCompromised")},
	{"a retirement is rolled back again and again", "rotator/engine/probation.go", []edit{{"case !l.op.RolledBack.IsZero():", "case false:"}}, inEngine("TestProbation.*")},
	{"a rollback goes against a revocation", "rotator/engine/probation.go", []edit{{"case c.requestOn(l.op.KeyID) != 0:", "case false:"}}, inEngine("TestProbation_KeepsDisabled")},
	{"a rollback goes over what somebody did", "rotator/engine/probation.go", []edit{{"!ok || v.Updated.After(l.op.RetiredAt) || find(state.Tampered, id) >= 0", "!ok"}}, inEngine("TestProbation_KeepsDisabled")},
	{"any denial rolls a retirement back", "rotator/engine/probation.go", []edit{{"		!slices.Contains(c.traits[d.Kind].Missing, o.AccessCode) {", "		false {"}}, inEngine("TestProbation_KeepsDisabled")},
	{"an etcd's previous version goes", "rotator/engine/retire.go", []edit{{"		if c.keep(l); len(l.op.Previous) == 0 {", "		if len(l.op.Previous) == 0 {"}}, inEngine("TestGuard_KeepsWhatIsNeededUntilTheNextRotation")},
	{"a retirement that waits for a person needs nobody", "rotator/needs.go", []edit{{"case o.AwaitsRetirement():", "case false:"}}, inEngine("Test.*")},
	{"a wait for a person is never too long", "rotator/engine/retire.go", []edit{{"l.op.Overdue, l.suspect = true, true", "l.suspect = true"}}, inEngine("TestRetirement_AwaitedForTooLong")},
	{"nobody is told of what only a search found", "rotator/engine/plansearch.go", []edit{{"if f := &r.found[i]; !p.known(", "if f := &r.found[i]; f == nil && !p.known("}}, inEngine("TestPlan_NamesWhatNobodyListed")},
	{"who is taken out of the configuration needs nothing", "rotator/engine/configure.go", []edit{{"if l.op.Kind != rotator.KindRotation || len(t.Detail.Known) == 0 ||", "if true || t.State == \"\" ||"}}, inEngine("TestTakenOut.*")},
	{"a search counts though a dependent was taken out", "rotator/engine/configure.go", []edit{{"	searching(c).void(l)\n	const why", "	const why"}}, inEngine("TestTakenOut_WhileTheGuardLooks")},
	{"who was taken out of the configuration is forgotten", "rotator/engine/standing.go", []edit{{"	c.remember(l, maps.Clone(stood))\n", ""}}, inEngine("TestTakenOut.*")},
	{"who is gone holds a retirement for ever", "rotator/engine/search.go", []edit{{"		c.missed(l)\n", ""}}, inEngine("TestTakenOut.*")},
	{"who is gone where nobody searched is gone", "rotator/engine/search.go", []edit{{"gone && l.sweep.within[strings.ToLower(d.Subscription())] &&", "gone &&"}}, inEngine("TestTakenOut.*")},
	{"who is gone is looked at for ever", "rotator/engine/standing.go", []edit{{"		st.Known, st.Unlisted = nil, false //", "		//"}}, inEngine("TestTakenOut.*")},
	{"what is still used beside another key is not", "providers/kind/decode.go", []edit{{"		use.Held = append(use.Held, rotator.Held{Key: current.key, Version: current.version})\n", ""}}, inKinds("TestDecode_what_is_still_used")},
	{"the last of several sets says whether there is access", "providers/kind/via.go", []edit{{"	through.Access, through.AccessCode, through.AccessEvidence = worstAccess(o, &through)\n", ""}}, inKinds("TestObserve_access_through_several_sets")},
	{"scopes need no identity", "providers/kind/resource.go", []edit{{"		r.identify(doc, o)\n", ""}}, inKinds("TestObserve_the_identity_of_a_scope")},
	{"a disabled target is inferred", "rotator/engine/look.go", []edit{{"o.Updating, l.shut:", "o.Updating:"}, {"later(l.op.Target.Created, l.opened)", "l.op.Target.Created"}}, inEngine("TestInferred_NotWhileTheTargetIsDisabled")},
	{"the window begins while the target is disabled", "rotator/engine/look.go", []edit{{"later(l.op.Target.Created, l.opened)", "l.op.Target.Created"}}, inEngine("TestInferred_NotWhileTheTargetIsDisabled")},
	{"an unfit version is taken for ours", "rotator/engine/foreign.go", []edit{{"	fit = c.candidates(state, fresh, ours)\n", "	fit = fresh\n"}}, inEngine("TestCreate_TakesNobodysUnfitVersion")},
	{"an etcd needs no more than what a preflight saw", "rotator/engine/look.go", []edit{{"		d.Needs = remembered(d.Needs, needs) // what it is told next leaves these behind\n", "		_ = needs\n"}}, inEngine("TestNeeded_IsWhatItWasOnLast")},
	{"what is known lasts as long as its line", "rotator/engine/search.go", []edit{{"detail.Removed, detail.Problem, t.Detail = false, nil, detail", "detail.Removed, detail.Problem, detail.Known, t.Detail = false, nil, nil, detail"}}, inEngine("TestTakenOut_IsKnownStill")},
	{"what an operation knew is lost with the next", "rotator/engine/standing.go", []edit{{"			c.draft.stood(*st)\n", "			_ = st\n"}}, inEngine("TestTakenOut_IsRememberedOverOperations")},
	{"whoever is done is looked at no more", "rotator/engine/standing.go", []edit{{"case l.op.State == rotator.StatePropagating && !c.over(l.op.Since, soonFor):", "case false:"}, {"	case l.op.State == rotator.StatePropagating:\n		return nextOnGrid(c.now, seldomEvery)\n", ""}}, inEngine("TestWatch_GoesOnInEveryOperation")},
	{"an identity may go once one is done", "rotator/engine/look.go", []edit{{"case o.Problem != nil && o.Problem.Code == rotator.ReasonIdentityGone && o.Names(key):", "case false:"}}, inEngine("TestWatch_GoesOnInEveryOperation")},
	{"what the vault was restored to is old", "rotator/engine/tamper.go", []edit{{"&& !c.lasts(id, v):", ":"}}, inEngine("TestTamper_IsNeitherForgottenNorInvented")},
	{"the event of what is too much to keep in mind is lost", "rotator/engine/tamper.go", []edit{{"	case state.Uses(t.Version): // it goes", "	case !state.Uses(t.Version):\n		return\n	default: // it goes"}}, inEngine("TestTamper_IsNeitherForgottenNorInvented")},
	{"one that left needs nothing", "rotator/engine/retire.go", []edit{{"		needs := t.Detail.Needs\n", "		if t.State != rotator.TrackerDone {\n			continue\n		}\n		needs := t.Detail.Needs\n"}}, inEngine("TestNeeded_ByOneThatLeft")},
	{"a target that was outpaced is needed by nobody", "rotator/engine/rotation.go", []edit{{"t.Detail.Needs = remembered(t.Detail.Needs, []string{outpaced})", "t.Detail.Needs = remembered(t.Detail.Needs, nil)"}}, inEngine("TestNeeded_ByOneThatWasOutpaced")},
	{"what is needed is forgotten by the next operation", "rotator/engine/standing.go", []edit{{"t.State == rotator.TrackerUnreachable || len(d.Needs) > 0", "t.State == rotator.TrackerUnreachable"}}, inEngine("TestNeeded_IsInUse")},
	{"a plan disables what is needed", "rotator/engine/planretire.go", []edit{{"	for _, n := range plan.Needed {\n", "	for _, n := range plan.Needed[:0] {\n"}}, inEngine("TestNeeded_IsInThePlan")},
	{"a plan does not know what retire would refuse", "rotator/engine/planretire.go", []edit{{"slices.Concat(p.refused(g), objections(g))", "objections(g)"}, {"func (p planner) refused(", "func (p planner) refusedNever("}}, inEngine("TestPlanRetirement_SaysWhatRetireWouldSay")},
	{"an update is made that nobody wants", "rotator/engine/freeze.go", []edit{{"if t.kind == taskApply && !observing(c).wanted(t) {", "if false {"}}, inEngine("TestUpdate_NobodyWantsItAnyMore")},
	{"one that is gone looked for another", "rotator/engine/configure.go", []edit{{"	if len(detail.Via) > 0 {\n", "	if false {\n"}}, inEngine("TestVia_OutlivesWhatItWasLookedAtThrough")},
	{"a look that is out when its key goes is waited for", "rotator/engine/configure.go", []edit{{"			delete(c.rounds, id) // what is out of it is nobody's\n", "			_ = id\n"}}, inEngine("TestStanding_TakenOutAndPutBack")},
	{"what nobody can read drifts", "rotator/engine/standing.go", []edit{{"		if d.Unseen() {\n			continue\n		}\n		if st := before", "		if st := before"}, {"!d.Unseen() && s.tries", "s.tries"}}, inEngine("TestStanding_ManualIsNoDrift")},
	{"another key is none if there was no other", "rotator/engine/drift.go", []edit{{"if len(expected) == 0 && unknown", "if false && unknown"}}, inEngine("TestStanding_NeverOnTheKey")},
	{"a guard waits for ever", "rotator/engine/retire.go", []edit{{"&& c.steady.Sub(l.verify) < guardWait:", ":"}}, inEngine("TestGuard_UnansweredForDays")},
	{"what was left enabled is forgotten", "rotator/engine/rotation.go", []edit{{"		c.leaveUnretired(l)\n		c.draft.entered(l, rotator.StateCompleted, actorDaemon, \"the previous version stays", "		c.draft.entered(l, rotator.StateCompleted, actorDaemon, \"the previous version stays"}}, inEngine("TestRotation_RetireOffAndThenAuto")},
	{"a freeze of the daemon's needs nobody", "rotator/statement.go", []edit{{"		p.Class, p.Hint = ClassLostAccess,", "		p.Class, p.Hint = \"\","}}, inEngine("TestNeeds_AFreezeThatTheDaemonMade")},
	{"an old answer of long ago makes the next one true", "rotator/engine/tamper.go", []edit{{"		if !older {", "		if !older && v.Enabled == old.Enabled {"}}, inEngine("TestTamper_OldAnswersNowAndThen")},
	{"versions beyond those kept appear again and again", "rotator/engine/tamper.go", []edit{{"case !known && c.unkept(state, v):", "case false:"}}, inEngine("TestTamper_IsNeitherForgottenNorInvented")},
	{"an undone revocation stays effective", "rotator/engine/revocation.go", []edit{{"	for i := range l.trackers {\n		if t := l.trackers[i]; t.State != rotator.TrackerExcluded {\n			c.draft.observed(l, enterTracker(", "	for i := range l.trackers[:0] {\n		if t := l.trackers[i]; t.State != rotator.TrackerExcluded {\n			c.draft.observed(l, enterTracker("}}, inEngine("TestRevocation_Undone")},
}

// ofRehearsals are faults of what is looked at before a rotation begins.
var ofRehearsals = []tooth{
	{"any key fits any service", "rotator/provider.go", []edit{{"case family != \"RSA\":", "case family == \"AES\":"}}, inEngine("TestRehearsal_OneForAll")},
	{"any size fits any service", "rotator/provider.go", []edit{{"case v.Size > 0 && len(d.Sizes) > 0 && !slices.Contains(d.Sizes, v.Size):", "case false:"}}, inEngine("TestRehearsal_OneForAll")},
	{"a key may be used for anything", "rotator/provider.go", []edit{{"if v.Ops != \"\" && !slices.Contains(strings.Split(v.Ops, \",\"), op) {", "if false {"}}, inEngine("TestRehearsal_OneForAll")},
	{"a preflight does not read the version", "rotator/engine/rotation.go", []edit{{"c.readsVersions && v.ID != \"\" &&", "false &&"}}, inEngine("TestRehearsal_OneForAll")},
	{"a plan does not read the version", "rotator/engine/plan.go", []edit{{"		newest = newest.With(v)\n", "		_ = v\n"}}, inEngine("TestRehearsal_OneForAll")},
	{"a refusal that passes is an answer", "rotator/engine/core.go", []edit{{"			l.listErr = r.err // the", "			c.unread[l.versions[0].ID] = true // the"}}, inEngine("TestRehearsal_PassingRefusal")},
	{"what was not looked at is nothing", "rotator/engine/rehearsal.go", []edit{{"if len(r.versions) > 0 && r.material.Type == \"\" {", "if false {"}}, inEngine("TestRehearsal_NotChecked")},
	{"a plan does not see the other operation", "rotator/engine/plan.go", []edit{{"if op := &live[i]; !op.AwaitsRetirement()", "if op := &live[i]; false && !op.AwaitsRetirement()"}}, inEngine("TestRehearsal_Live")},
	{"a version that is not valid yet is", "rotator/engine/rehearsal.go", []edit{{"if r.now.Before(r.material.NotBefore) {", "if false {"}}, inEngine("TestRehearsal_Ahead")},
	{"nobody searches before a rotation", "rotator/engine/ahead.go", []edit{{"	if t.searches {\n", "	if false {\n"}}, inEngine("TestRehearsal_Ahead")},
	{"a freeze that is over by then is a warning", "rotator/engine/ahead.go", []edit{{"f.Stops(key, false, at)", "f.Stops(key, false, c.now)"}}, inEngine("TestRehearsal_Ahead")},
}

// ofStanding are faults of the watch between operations.
var ofStanding = []tooth{
	{"what drifts is never looked at", "rotator/engine/standing.go", []edit{{"if len(key.Dependents) > 0 && c.over(", "if false && c.over("}}, inEngine("TestDrift_WithinAnHour")},
	{"one is observed seldom after a change", "rotator/engine/standing.go", []edit{{"		every = soonEvery\n", ""}}, inEngine("TestDrift_WithinAnHour|TestStanding.*")},
	{"another version is no drift", "rotator/engine/drift.go", []edit{{"rotator.ReasonBindingChanged, rotator.ReasonVersionChanged} {", "rotator.ReasonBindingChanged} {"}}, inEngine("TestDrift_WithinAnHour")},
	{"what is not shown went back", "rotator/engine/drift.go", []edit{{"				all = append(all, st.Drift[old])\n", "				_ = old\n"}}, inEngine("TestStanding_WhatIsNotShownIsNotOver")},
	{"nobody looks at a key that is reinstated", "rotator/engine/watch.go", []edit{{" && l.op.State != rotator.StateRecovering {", " {"}}, inEngine("TestWatch_GoesOnWhileAKeyRecovers")},
	{"a key that is left is no drift", "rotator/engine/drift.go", []edit{{"unknown == nil && !o.Names(v.key) {", "false {"}}, inEngine("TestDrift_WithinAnHour")},
	{"lost access is no drift", "rotator/engine/drift.go", []edit{{"if o.Access == rotator.AccessDenied {", "if false {"}}, inEngine("TestDrift_WithinAnHour")},
	{"a late follower has drifted", "rotator/engine/drift.go", []edit{{"(is == v.current || is == \"\" || t.value == \"\")", "false"}}, inEngine("TestStanding_LateFollowersAreNoDrift")},
	{"who is re-pinned in the soak stays done", "rotator/engine/observe.go", []edit{{"		c.draft.entered(l, rotator.StatePropagating, actorDaemon, t.Detail.Dependent.DisplayName()+why)\n", "		_ = why\n"}}, inEngine("TestStanding_ARepinBreaksTheSoak")},
	{"who is told a version and pinned to another is waited for", "rotator/engine/look.go", []edit{{"t.told(rotator.ActionRepin, l) && !t.Detail.DoneAt.IsZero():", "false:"}}, inEngine("TestStanding_PinnedAgainNeedsSomebody")},
	{"nobody looks in the soak", "rotator/engine/standing.go", []edit{{"return nextOnGrid(c.now, soakEvery)", "return time.Time{}"}}, inEngine("TestStanding_ARepinBreaksTheSoak")},
	{"a request for a revocation is one", "rotator/engine/live.go", []edit{{"if l != nil && l.op.State == rotator.StateAwaitingApproval {", "if false {"}}, inEngine("TestWatch_GoesOnBesideWhatWaits")},
	{"a version that somebody disabled is as it should be", "rotator/engine/tamper.go", []edit{{"			c.flipped(state, v)\n", ""}}, inEngine("TestTamper_WithinFiveMinutes")},
	{"a version that vanished is forgotten", "rotator/engine/tamper.go", []edit{{"		c.note(state, rotator.Tampering{Version: old.ID, Change: rotator.TamperVanished, Enabled: old.Enabled})\n", ""}}, inEngine("TestTamper_WithinFiveMinutes")},
	{"a version that is gone was disabled", "rotator/engine/retire.go", []edit{{"	case r.err.Code == rotator.CodeNotFound:\n", "	case r.err.Code == rotator.CodeNotFound:\n		l.op.Retired = append(l.op.Retired, r.task.version.ID)\n	case r.err.Code == rotator.CodeInternal:\n"}}, inEngine("TestTamper_AVanishedVersionIsNotRetired")},
	{"an old list is what is", "rotator/engine/tamper.go", []edit{{"case older && !c.lasts(id, v):", "case false:"}}, inEngine("TestTamper.*")},
	{"a change of ours is somebody else's", "rotator/engine/tamper.go", []edit{{"case c.ours(state, v.ID, v.Enabled), c.revoked(state, v):", "case c.revoked(state, v):"}}, inEngine("TestTamper_OurOwnChangesAreNone")},
	{"what was enabled while the daemon was away is not seen", "rotator/engine/tamper.go", []edit{{"		c.appeared(state, v, until.Created)\n", "		_ = until\n"}}, inEngine("TestTamper.*|TestForeign.*")},
	{"what we disabled is enabled again", "rotator/engine/foreign.go", []edit{{"t.Change != rotator.TamperDisabled || !t.Mended.IsZero() || !state.Uses(t.Version)", "!t.Mended.IsZero()"}}, inEngine("TestTamper.*")},
	{"nothing is enabled again", "rotator/engine/foreign.go", []edit{{"key.OnTamper != rotator.OnTamperReenable ||", "true ||"}}, inEngine("TestTamper_ReenablesWhatIsInUse")},
	{"a weaker version is taken", "rotator/engine/foreign.go", []edit{{"if why := v.Weaker(than); why != \"\" || !c.readsVersions", "if why := \"\"; why != \"\" || !c.readsVersions"}, {"return why, true\n	}\n	var", "_ = v\n		return \"\", true\n	}\n	var"}}, inEngine("TestForeign_AdoptedOnlyIfFit")},
	{"a disabled version is taken", "rotator/engine/foreign.go", []edit{{"case !v.Enabled:", "case false:"}}, inEngine("TestForeign.*")},
	{"of two versions one is forgotten", "rotator/engine/watch.go", []edit{{"		l.op.Previous = newestFirst(other.ID, l.op.Previous)\n", "		_ = other\n"}}, inEngine("TestForeign_TwoBetweenTwoLists")},
	{"one is sent to a version that is disabled", "rotator/engine/tell.go", []edit{{"	if l.shut {", "	if false {"}}, inEngine("TestForeign_NobodyIsSentToADisabledVersion")},
	{"expired versions are in use by nobody", "rotator/engine/inuse.go", []edit{{"if !ok || v.Expires.IsZero() || c.now.Before(v.Expires) {", "if true {"}, {"v, ok := rotator.FindVersion(state.Versions, version)", "v := rotator.Version{}"}}, inEngine("TestRule.*|TestAlert.*|Test.*Expir.*")},
}

// ofFreezes are faults of what a person stops.
var ofFreezes = []tooth{
	{"a freeze stops no rotation", "rotator/engine/freeze.go", []edit{{"		t.refused = frozen(t.key, f)\n", ""}}, inEngine("TestFreeze.*")},
	{"a freeze stops a revocation", "rotator/engine/freeze.go", []edit{{"if len(c.freezes) == 0 || l.op.Kind != rotator.KindRotation {", "if len(c.freezes) == 0 {"}, {"l.op.Kind == rotator.KindRotation && !t.enable", "!t.enable"}}, inEngine("TestFreeze.*")},
	{"a freeze stops no update", "rotator/engine/freeze.go", []edit{{"		return !t.access\n", "		return false\n"}}, inEngine("TestFreeze.*")},
	{"a freeze ends by nothing", "rotator/engine/freeze.go", []edit{{"			c.end(f, actorDaemon, \"its time is over\")\n", ""}}, inEngine("TestFreeze_EndsByItsTime")},
	{"lost access stops nothing", "rotator/engine/freeze.go", []edit{{"if err := c.add(&rotator.Freeze{Actor: actorDaemon, Reason: reason, Made: c.now, Scheduled: true}); err != nil {", "if err := error(nil); err != nil && reason != \"\" {"}}, inEngine("TestFreeze_LostAccessStopsWhatIsScheduled")},
	{"what waits for a freeze is never looked at again", "rotator/engine/freeze.go", []edit{{"			c.draft.observed(l, withDue(t, c.now), false)\n", ""}}, inEngine("TestFreeze.*")},
	{"a freeze is not remembered", "rotator/engine/freeze.go", []edit{{"		c.freezes = append(c.freezes, &b.Freezes[i])\n", "		_ = i\n"}}, inEngine("TestFreeze.*")},
}

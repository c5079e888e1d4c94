package alerting

import "cmkd/rotator"

// RuleInfo is what is to be said of a rule; docs/alerts.md is made of it.
type RuleInfo struct {
	Rule     rotator.Rule     `json:"rule"`
	Severity rotator.Severity `json:"severity"`
	// Title is the rule in a few words.
	Title string `json:"title"`
	// Meaning says what is the case, and what it means for the data.
	Meaning string `json:"meaning"`
	// Causes are the likely ones, likeliest first.
	Causes []string `json:"causes"`
	// Steps are what to do, commands in backquotes.
	Steps []string `json:"steps"`
	// Resolves says when the alert ends by itself.
	Resolves string `json:"resolves"`
}

// Rules returns what is to be said of every rule, in the order in which people
// want to read about them.
func Rules() []RuleInfo {
	return []RuleInfo{
		{
			Rule: rotator.RuleRevocationUndone, Severity: rotator.SeverityCritical, Title: "A revocation was undone",
			Meaning: "Somebody enabled a version of a revoked key again. Whoever may use the key can read the data again.",
			Causes: []string{
				"somebody repaired an outage without knowing of the revocation",
				"a script or a policy enables keys that it finds disabled",
				"the identity that the revocation was to shut out still has rights on the vault",
			},
			Steps: []string{
				"`cmkd events --key KEY` shows since when.",
				"Look into the vault's audit log (AuditEvent, operation KeyUpdate) for who did it, and take that right away.",
				"Disable the version again in the vault, or end the revocation in good order: `cmkd reinstate KEY`.",
			},
			Resolves: "every version of the revocation is seen disabled again, or the key is reinstated",
		},
		{
			Rule: rotator.RuleRevocationStalled, Severity: rotator.SeverityCritical, Title: "A revocation or reinstatement is not effective in time",
			Meaning: "The key is disabled (or enabled again), and a dependent does not show the effect within its documented time; " +
				"or the vault refuses the change itself, or a second person has not approved of it yet. Data may still be readable.",
			Causes: []string{
				"the key has `two_person: true`, and nobody has approved of the revocation",
				"the service holds the data key in memory for longer than documented",
				"the dependent was changed to another key meanwhile",
				"the vault refuses or throttles the change: the problem says so",
				"virtual machines keep running on disks whose key is gone until they are stopped",
			},
			Steps: []string{
				"`cmkd status OPERATION` shows which dependents still have access, and what was seen of each.",
				"If it waits for a second person: `cmkd approve OPERATION`.",
				"For an incident do not wait: take the dependent off the network, stop its machines, or regenerate its access keys.",
				"If the vault refuses: grant what the problem names; cmkd goes on by itself.",
			},
			Resolves: "every dependent shows the effect, or the operation ends",
		},
		{
			Rule: rotator.RulePropagationStalled, Severity: rotator.SeverityWarning, Title: "A dependent does not take the new version",
			Meaning: "A dependent still uses the previous version after the time in which its kind should have switched. " +
				"Nothing is lost: the previous version stays enabled until every dependent has left it.",
			Causes: []string{
				"the service checks less often than documented",
				"its identity lost access to the key",
				"the resource is locked, or an update of its own is under way",
				"it names a version, so it does not follow by itself",
			},
			Steps: []string{
				"`cmkd status OPERATION` shows which dependents, and what was seen of each.",
				"Check that the dependent's identity still has Get, Wrap Key and Unwrap Key on the key.",
				"Make it read its key again: set `nudge: when-stalled` for it and `systemctl reload cmkd`, or save its encryption settings again in Azure.",
				"If it always takes longer, give it a longer `window`; `cmkd timings` suggests one.",
			},
			Resolves: "every dependent has switched, or the operation ends",
		},
		{
			Rule: rotator.RuleNeedsAction, Severity: rotator.SeverityWarning, Title: "A dependent needs somebody",
			Meaning: "A dependent cannot be brought to the new version by cmkd alone. The previous version stays enabled meanwhile.",
			Causes: []string{
				"a container group names its version for good and has to be deployed anew",
				"the service complains of the key, or of its access to it",
				"the dependent uses another key than configured",
				"Azure refused the update: a lock, a policy, a missing permission",
			},
			Steps: []string{
				"`cmkd status OPERATION` says for each dependent what is wrong and what to do.",
				"If it is to be left out: `exclude: REASON` in the configuration, then `systemctl reload cmkd`.",
			},
			Resolves: "the dependents are seen in order, are excluded, or the operation ends",
		},
		{
			Rule: rotator.RuleAutoRotationError, Severity: rotator.SeverityWarning, Title: "A disk encryption set could not take the new version by itself",
			Meaning: "The disk encryption set tried to follow the key and failed. Disks created or machines started from now on may fail; running ones go on.",
			Causes: []string{
				"the set's identity lost Get, Wrap Key or Unwrap Key on the key",
				"the vault's firewall shuts the set out",
				"the new version is disabled, expired or not valid yet",
			},
			Steps: []string{
				"`cmkd status OPERATION` shows Azure's own code and message.",
				"Grant the set's identity the role Key Vault Crypto Service Encryption User on the key, or open the firewall to trusted services.",
				"The set tries again within an hour; updating it makes it try at once.",
			},
			Resolves: "the set reports no error any more, or the operation ends",
		},
		{
			Rule: rotator.RuleUnreachable, Severity: rotator.SeverityWarning, Title: "A dependent cannot be read",
			Meaning: "Azure does not find a dependent, or does not understand its id. What is not seen counts as not switched: the previous version stays enabled.",
			Causes: []string{
				"it was deleted, moved or renamed",
				"its id in the configuration is wrong",
				"its subscription was disabled or moved to another directory",
			},
			Steps: []string{
				"`az resource show --ids ID` tells whether it is there.",
				"If it is gone for good: remove it from the configuration, or `exclude: REASON`, then `systemctl reload cmkd`.",
			},
			Resolves: "it is read again, is excluded, or the operation ends",
		},
		{
			Rule: rotator.RulePermissionLost, Severity: rotator.SeverityCritical, Title: "cmkd lost a permission",
			Meaning: "Azure refuses cmkd what it needs: to read a dependent, or the key itself. Rotations stand still and revocations could not be carried out.",
			Causes: []string{
				"a role assignment was removed or has expired",
				"the vault changed from access policies to roles, or the other way round",
				"the vault's firewall shuts this machine out",
				"the credential was replaced by another identity",
			},
			Steps: []string{
				"The alert names the role to grant; `cmkd status KEY` shows the answer of Azure.",
				"`az role assignment list --assignee CLIENT-ID --all` shows what is left.",
				"A new role assignment may take ten minutes to work; cmkd tries again by itself.",
			},
			Resolves: "the call succeeds again, or the operation ends",
		},
		{
			Rule: rotator.RuleKeyUnusable, Severity: rotator.SeverityCritical, Title: "A key cannot be used",
			Meaning: "The current version of a key is disabled though nobody revoked it with cmkd, or the key is gone. Every dependent loses its data within hours.",
			Causes: []string{
				"somebody disabled or deleted it in the portal",
				"it expired",
				"the configuration names another key than meant",
			},
			Steps: []string{
				"`cmkd status KEY` says what was seen.",
				"Enable the version again, or recover the key: `az keyvault key recover --vault-name VAULT --name NAME`.",
				"If it was revoked on purpose, do it with cmkd, which then follows it: `cmkd revoke KEY`.",
			},
			Resolves: "the current version is seen enabled, or the key is revoked with cmkd",
		},
		{
			Rule: rotator.RuleUsedTampered, Severity: rotator.SeverityCritical, Title: "Somebody else changed a version that is in use",
			Meaning: "A version of a key that a dependent uses was disabled or is not in the vault any more, and no operation of cmkd did it; " +
				"or one that a dependent uses was enabled again or made by somebody and is not fit for use. Whoever uses a version that is gone loses its data within hours.",
			Causes: []string{
				"somebody cleaned up old versions in the portal or by a script",
				"the vault was restored from a backup that does not have the version, or another vault answers under its name",
				"an attack",
			},
			Steps: []string{
				"`cmkd events --key KEY` shows which version, what happened to it and since when.",
				"Look into the vault's audit log (AuditEvent, operations KeyUpdate, KeyDelete, KeyPurge, KeyRestore) for who did it.",
				"If it is disabled: enable it in the vault, at once. With `on_tamper: re-enable` cmkd does so by itself, once for each time.",
				"If it vanished: stop, and find out whether this is the right vault, before anything is rotated.",
			},
			Resolves: "the version is seen as it was, no dependent uses it any more, or a rotation has replaced it",
		},
		{
			Rule: rotator.RuleVersionTampered, Severity: rotator.SeverityWarning, Title: "Somebody else changed a version of a key",
			Meaning: "A version of a key was disabled, enabled again, made, or is not in the vault any more, and no operation of cmkd did it. " +
				"No dependent is known to use it. Backups and what cmkd cannot see may need it.",
			Causes: []string{
				"somebody cleaned up old versions in the portal or by a script",
				"somebody enabled a retired version again, to restore something old",
				"somebody made a version that is disabled, expired, not valid yet or weaker than the current one",
				"the vault was restored, or another vault answers under its name",
			},
			Steps: []string{
				"`cmkd events --key KEY` shows which version, what happened to it and since when.",
				"Look into the vault's audit log (AuditEvent, operations KeyUpdate, KeyCreate, KeyPurge, KeyRestore) for who did it.",
				"Put it back as it was, or rotate: `cmkd rotate KEY`. A completed rotation leaves it behind.",
			},
			Resolves: "the version is seen as it was, or a rotation that began after it has completed",
		},
		{
			Rule: rotator.RuleAccessLost, Severity: rotator.SeverityCritical, Title: "A dependent lost access to its key",
			Meaning: "Between operations a dependent was seen to have no access to its key. Its data cannot be read, or soon cannot.",
			Causes: []string{
				"its identity or the role of that was removed",
				"the vault's firewall shuts it out",
				"the version that it uses was disabled, or has expired",
			},
			Steps: []string{
				"`cmkd events --key KEY` shows which dependents, since when, and the service's own code.",
				"Grant its identity Get, Wrap Key and Unwrap Key on the key again, or open the firewall to trusted services.",
				"`cmkd status KEY` shows whether a version is disabled.",
			},
			Resolves: "the dependent is seen with access again; it is observed hourly for a day after a change, and every six hours later",
		},
		{
			Rule: rotator.RuleDrift, Severity: rotator.SeverityWarning, Title: "A dependent changed without an operation",
			Meaning: "Between operations a dependent was seen on another version or key, bound in another way, complaining, or not telling any more what it uses. " +
				"What was said of it when the last operation ended is not so any more.",
			Causes: []string{
				"a pipeline deployed the resource as it was before the rotation",
				"somebody pinned it to a version, or switched auto-rotation off",
				"somebody moved it to another key",
			},
			Steps: []string{
				"`cmkd events --key KEY` shows what it was like and what it is like now.",
				"Do not disable the version that it is on.",
				"Put it back and mend what would do it again; or take it out of the configuration if that is meant to be.",
			},
			Resolves: "the dependent is seen as it was before, on the current version, or a rotation completes",
		},
		{
			Rule: rotator.RuleOperationFailed, Severity: rotator.SeverityWarning, Title: "An operation failed",
			Meaning: "A rotation, revocation or reinstatement ended without doing what it was to do. A failed rotation has made no new version.",
			Causes: []string{
				"the preflight found something in the way",
				"the vault refused to make a version",
			},
			Steps: []string{
				"`cmkd status OPERATION` says why.",
				"Mend it, then ask again: `cmkd rotate KEY`.",
			},
			Resolves: "the next operation on the key begins",
		},
		{
			Rule: rotator.RuleScheduleMissed, Severity: rotator.SeverityWarning, Title: "A scheduled rotation did not take place",
			Meaning: "The time of a scheduled rotation passed without one. The key goes on with a version older than planned.",
			Causes: []string{
				"the daemon was stopped, and the key has `misfire: alert`",
				"another operation on the key was under way",
			},
			Steps: []string{
				"`cmkd status KEY` shows what is under way and when the next one is due.",
				"Rotate now, if it cannot wait: `cmkd rotate KEY`.",
			},
			Resolves: "the next rotation of the key begins",
		},
		{
			Rule: rotator.RulePreflightFailing, Severity: rotator.SeverityWarning, Title: "The next rotation could not begin",
			Meaning: "A scheduled rotation is due soon, or is waiting already, and something stands in its way. Nothing has been changed.",
			Causes: []string{
				"a dependent is gone, unhealthy or uses another key",
				"the vault has no purge protection, or the current version is disabled",
				"a permission is missing",
			},
			Steps: []string{
				"`cmkd rotate KEY --dry-run` checks again and says everything that is in the way.",
				"Mend it; a rotation that waits tries again every quarter of an hour.",
			},
			Resolves: "a check finds nothing in the way",
		},
		{
			Rule: rotator.RuleVersionExpiring, Severity: rotator.SeverityWarning, Title: "The current version of a key expires soon",
			Meaning: "The version in use expires, and no rotation is scheduled before that. Many services refuse an expired version, some lose their data.",
			Causes: []string{
				"the key has no schedule, or one that is too slow for its expiry",
				"a rotation is overdue or stands still",
			},
			Steps: []string{
				"Rotate now: `cmkd rotate KEY`.",
				"Give the key a schedule that is shorter than the expiry of its versions.",
			},
			Resolves: "a newer version is in place, the expiry is put off, or a rotation is scheduled in time",
		},
		{
			Rule: rotator.RuleVersionExpired, Severity: rotator.SeverityCritical, Title: "An expired version of a key is in use",
			Meaning: "A version of a key has expired, and a dependent was last seen to use or hold it. Services refuse to wrap with it; " +
				"disk encryption sets fail, and machines whose disks are under it do not start again. A newer version alone does not mend that: the dependent has to be on it.",
			Causes: []string{
				"the key was not rotated in time",
				"a dependent is pinned to the version, or did not follow when the key was rotated",
			},
			Steps: []string{
				"`cmkd status KEY` shows who uses it.",
				"If no newer version is in place: `cmkd rotate KEY`.",
				"If it takes too long, put the expiry off: `az keyvault key set-attributes --vault-name VAULT --name NAME --version VERSION --expires TIME`.",
			},
			Resolves: "no dependent is seen on the version any more, or its expiry is put off",
		},
		{
			Rule: rotator.RulePolicyConflict, Severity: rotator.SeverityWarning, Title: "The vault rotates a key by itself that cmkd rotates on schedule",
			Meaning: "The key has a rotation policy in the vault beside its schedule here. Both make versions: dependents change more often than planned, and a rotation may overtake another.",
			Causes: []string{
				"the policy was there before cmkd",
				"an Azure Policy gives every key of the subscription a rotation policy",
			},
			Steps: []string{
				"Leave one of both: remove `schedule` here and let cmkd follow what the vault makes, or take the Rotate action out of the key's rotation policy.",
				"`az keyvault key rotation-policy show --vault-name VAULT --name NAME` shows the policy.",
			},
			Resolves: "the policy is seen without a rotation, or the key has no schedule any more; the policy is read every six hours",
		},
		{
			Rule: rotator.RuleRetirementBlocked, Severity: rotator.SeverityWarning, Title: "The previous version cannot be retired",
			Meaning: "The guard observed everything afresh and found something that speaks against disabling the previous version. It stays enabled: no data is at risk, but the rotation is not over.",
			Causes: []string{
				"a dependent still uses it, or cannot be read",
				"a search found a dependent that nobody listed",
				"a newer version was made meanwhile",
				"the search for unlisted dependents is not permitted",
			},
			Steps: []string{
				"`cmkd status OPERATION` lists every objection.",
				"Mend it, then `cmkd retire KEY`; with `retire: auto` cmkd tries again by itself.",
			},
			Resolves: "the version is retired, the guard has nothing against it any more, or the operation ends",
		},
		{
			Rule: rotator.RuleRolledBack, Severity: rotator.SeverityCritical, Title: "A retirement was rolled back",
			Meaning: "After the previous version was disabled, a service said that a version of its key is what it lacks. cmkd has enabled the version again, or is about to. " +
				"It does so once in a rotation.",
			Causes: []string{
				"a dependent was only inferred, or attested, to have left the version, and had not",
				"something of a dependent that cannot be seen needs the version",
			},
			Steps: []string{
				"`cmkd status OPERATION` shows whether the version is enabled again and who lacks it still.",
				"Find out what uses the version: the service's own code is in `cmkd events --operation OPERATION`.",
				"Bring it to the new version, then `cmkd retire KEY`; or `cmkd cancel OPERATION` to leave the version enabled.",
			},
			Resolves: "the version is retired by a person, or the operation ends",
		},
		{
			Rule: rotator.RuleStoreNearFull, Severity: rotator.SeverityWarning, Title: "The disk of the store is nearly full",
			Meaning: "When it is full, cmkd can store no intent, and therefore does nothing: no rotation, and no revocation.",
			Causes: []string{
				"something else fills the disk",
				"many operations with many dependents have been kept",
			},
			Steps: []string{
				"`df -h /var/lib/cmkd` and `du -xh --max-depth=2 /var | sort -h | tail` show what fills it.",
				"Free or enlarge the file system; cmkd needs no restart.",
			},
			Resolves: "enough is free again",
		},
		{
			Rule: rotator.RuleStoreBlocked, Severity: rotator.SeverityCritical, Title: "Nothing can be stored",
			Meaning: "The store cannot be written. cmkd does nothing until it can: what it cannot remember it does not do.",
			Causes: []string{
				"the disk is full",
				"the file system is read-only, or the disk is failing",
				"the file is damaged",
				"the file was deleted or replaced",
			},
			Steps: []string{
				"`systemctl status cmkd` and `journalctl -u cmkd` show the error.",
				"Free the disk, or mend the file system; cmkd goes on by itself, also after an error of the disk.",
				"If the file was deleted or replaced: put it back, or save what cmkd has with `cmkd backup FILE`, stop cmkd, move FILE in its place, start cmkd.",
			},
			Resolves: "a change is stored",
		},
		{
			Rule: rotator.RuleFrozenByDaemon, Severity: rotator.SeverityCritical, Title: "cmkd stopped what is scheduled",
			Meaning: "A dependent that had access to its key lost it during a rotation. Nothing that nobody asks for is written any more, " +
				"of any key, until a person has looked. Whatever people ask for goes on.",
			Causes: []string{
				"the identity of the dependent lost its role on the vault",
				"the vault's firewall or its private endpoint shuts the service out",
				"somebody disabled a version that was still needed",
			},
			Steps: []string{
				"`cmkd freeze list` names the key, the dependent and Azure's code.",
				"`cmkd status KEY` shows what was seen of it; give it access again.",
				"`cmkd unfreeze FREEZE --reason REASON` lets what is scheduled go on.",
			},
			Resolves: "somebody ends the freeze",
		},
		{
			Rule: rotator.RuleFreezeLasting, Severity: rotator.SeverityWarning, Title: "A freeze without an end has lasted for a week",
			Meaning: "Nothing is rotated or retired under a freeze, and nobody said when it ends. Versions grow old, and may expire.",
			Causes:  []string{"somebody forgot to end it"},
			Steps: []string{
				"`cmkd freeze list` shows who began it, and why.",
				"`cmkd unfreeze FREEZE --reason REASON` ends it.",
			},
			Resolves: "somebody ends the freeze",
		},
		{
			Rule: rotator.RuleClockJumped, Severity: rotator.SeverityInfo, Title: "The clock of the machine jumped",
			Meaning: "The clock was set by a minute or more. Schedules follow the clock; evidence goes by Azure's clock and is not touched.",
			Causes: []string{
				"time synchronisation was off and came back",
				"the virtual machine was suspended or restored from a snapshot",
				"somebody set the clock",
			},
			Steps: []string{
				"`timedatectl` shows whether time is synchronised.",
				"`cmkd status` shows the next rotations by the clock as it is now.",
			},
			Resolves: "an hour passed without another jump",
		},
	}
}

// InfoOf returns what is to be said of one rule, the zero value if there is none
// of that name.
func InfoOf(r rotator.Rule) RuleInfo { return ruleInfos[r] }

// ruleInfos are the rules by name.
var ruleInfos = func() map[rotator.Rule]RuleInfo {
	all := map[rotator.Rule]RuleInfo{}
	for _, info := range Rules() {
		all[info.Rule] = info
	}
	return all
}()

// SeverityOf is the severity of a rule's alerts, for the whole life of each.
func SeverityOf(r rotator.Rule) rotator.Severity { return ruleInfos[r].Severity }

package rotator

import (
	"strconv"
	"strings"
)

// ReasonInfo is what is to be said of a reason; docs/reasons.md is made of it.
type ReasonInfo struct {
	Reason Reason `json:"reason"`
	// Sentence is what is the case.
	Sentence string `json:"sentence"`
	// Cause is why it happens, likeliest first, and whose move it is.
	Cause string `json:"cause"`
	// Next is the next step, commands in backquotes. In them KEY is the short name of
	// a key, OPERATION an id such as op-17 and DEPENDENT a resource id.
	Next string `json:"next"`
}

// Reasons returns what is to be said of every reason, in the order in which people
// want to read about them. The last are the classes of errors: they stand where
// nothing more is known.
func Reasons() []ReasonInfo {
	return []ReasonInfo{
		{
			ReasonNoVersion, "The key has no version.",
			"It was just made or recovered, or all its versions were purged.",
			"Look at it: `az keyvault key list-versions --vault-name VAULT --name NAME`.",
		},
		{
			ReasonCurrentVersionDisabled, "The version that the dependents of the key are to use is disabled.",
			"Somebody disabled it in the vault, or the key was revoked.",
			"If cmkd revoked it: `cmkd reinstate KEY`. Otherwise find out who disabled it, then enable it in the vault.",
		},
		{
			ReasonNoPurgeProtection, "The vault has no purge protection, which every service demands of it.",
			"The vault was made without it. It is for the owner of the vault to switch on, and cannot be switched off again.",
			"`az keyvault update --name VAULT --enable-purge-protection true`",
		},
		{
			ReasonKeyUnfit, "A service cannot use the key: it is of another type or size, or may not be used for an operation that the service calls.",
			"The newest version was made or imported so, and the vault makes the next like it; or the dependent was pointed at the wrong key.",
			"Make a version in the vault that fits (`az keyvault key create --kty RSA --size 3072 --ops wrapKey unwrapKey`, and what else uses the key needs); docs/azure.md says what each kind takes.",
		},
		{
			ReasonVersionUnchanged, "The vault took a change of a version and shows the version as it was before.",
			"A read may lag the write, or somebody changed it back.",
			"Nothing at first: cmkd tries again. If it goes on, look into the vault's audit log (operation KeyUpdate) for who changes it back.",
		},
		{
			ReasonVersionVanished, "The vault says that a version to be disabled is not there.",
			"Somebody deleted the key, or restored it from a backup of before. A version that is gone so can come back, enabled.",
			"Ask the vault's log who it was. When the version is back it is retired; `cmkd cancel OPERATION` ends the rotation without.",
		},
		{
			ReasonDaemonStopped, "The daemon was stopped while a call to the vault was under way, so whether it had an effect is not known yet.",
			"A restart, a crash or a reboot.",
			"Nothing: cmkd lists the versions until the vault must show what the call made, and goes on.",
		},
		{
			ReasonRevocationUndone, "A version of a revoked key is enabled again.",
			"Somebody, or a script or policy that enables disabled keys, changed it in the vault.",
			"Find out who in the vault's audit log, then disable it again, or end the revocation: `cmkd reinstate KEY`.",
		},
		{
			ReasonScheduleMissed, "A scheduled rotation did not begin at its time.",
			"The daemon was stopped and the key has `misfire: alert`, or another operation on the key was under way.",
			"`cmkd rotate KEY`, or wait for the next scheduled time.",
		},
		{
			ReasonVaultUnreachable, "The vault of the key has not answered for some time.",
			"The network, the DNS, a proxy or the firewall between this machine and the vault; seldom an outage of Azure.",
			"`cmkd status KEY` shows the last answer; check from this machine that the vault's host can be reached.",
		},
		{
			ReasonWatchBehind, "The versions of the key are listed less often than every five minutes.",
			"More keys are watched than the limit on calls or the quota of the vault allows, or the vault hardly answers.",
			"Raise `limits.calls`; `cmkd status` shows whether Azure throttles. What somebody does to a version meanwhile is found late.",
		},
		{
			ReasonVersionTampered, "Somebody else disabled, enabled or made a version of the key, or the vault does not list it any more.",
			"A clean-up by hand or by a script, a restored vault, or an attack.",
			"`cmkd events --key KEY` says which version and since when; the vault's audit log says who. Put it back as it was, or `cmkd rotate KEY`.",
		},
		{
			ReasonVersionExpired, "A version that a dependent uses or holds has expired.",
			"Nobody rotated the key in time, or a dependent did not follow when it was rotated. With an expired version services stop to wrap; machines with such disks do not start again.",
			"`cmkd status KEY` shows who uses it. If it is the newest version: `cmkd rotate KEY`. Else bring its dependents to the new one; an expiry can also be put off in the vault.",
		},
		{
			ReasonVersionNotValidYet, "The newest version of the key is not valid yet.",
			"It was made with an activation date. Services do not wrap with it before that day.",
			"Wait for the day, or move it: `az keyvault key set-attributes --not-before`.",
		},
		{
			ReasonFrozen, "A freeze stops every write to the key but those of a revocation or reinstatement.",
			"Somebody began it with cmkd freeze, or cmkd itself because a dependent lost access to its key.",
			"Ask whoever began it, which `cmkd freeze list` shows. What waits goes on by itself when it ends: by its time, or with `cmkd unfreeze FREEZE --reason REASON`.",
		},
		{
			ReasonDefect, "An operation has nothing that would move it: a defect of cmkd.",
			"A fault of cmkd itself; it tries again every minute.",
			"Please report it with the output of `cmkd events --operation OPERATION`.",
		},

		{
			ReasonAccessDenied, "The dependent has no access to its key now.",
			"Its identity lost its role on the vault, the vault's firewall shuts it out, or the version that it uses is disabled.",
			"Give the identity of DEPENDENT access to the key again; a new grant takes some minutes.",
		},
		{
			ReasonOtherKey, "The dependent uses another key than the one that it is configured under, or none of a customer's.",
			"Somebody gave it another key, or the configuration is wrong.",
			"Correct the dependents of the key in the configuration, or exclude DEPENDENT with a reason.",
		},
		{
			ReasonOtherKeyServes, "The dependent has a list of keys of which any one serves: it goes on under another one than the key that is revoked.",
			"A namespace of Event Hubs stops only when all its keys are gone.",
			"Revoke the other key, too, or take it out of DEPENDENT; then exclude DEPENDENT with a reason, as nothing tells that it stopped.",
		},
		{
			ReasonKeyMismatch, "The dependent was given another key and still uses the one before.",
			"A change of its key is under way, or did not get through.",
			"Wait; if it stays, look at the encryption settings of DEPENDENT, or allow `nudge` for it.",
		},
		{
			ReasonMustBeRecreated, "The dependent names its key version for good and has to be deployed anew.",
			"Its service cannot change the version of what exists. It is for its owner to deploy.",
			"Deploy DEPENDENT with the new version, or set `recreate: true` for it.",
		},
		{
			ReasonVersionNotNamed, "The dependent does not name the version of its key, though its service asks for one.",
			"It was deployed without `keyVersion`.",
			"Look at DEPENDENT with `az resource show`, and deploy it with the version of its key.",
		},
		{
			ReasonUnknownKeySource, "The dependent says in a way that cmkd does not know whose key it uses.",
			"The service has a new way to name its key, or the resource is broken.",
			"Look at the encryption settings of DEPENDENT; if they are in order, report it.",
		},
		{
			ReasonUnreadableKey, "The dependent names a key in a way that cannot be read; cmkd does not guess which.",
			"Its encryption settings are broken, or point to something that is no key.",
			"Look at DEPENDENT with `az resource show` and correct its key.",
		},
		{
			ReasonKeyNotShown, "The dependent does not show its key where it showed it, or should show it, so nobody knows which it uses.",
			"Its service or a proxy left a property out, or the key was taken out of its settings.",
			"Look at DEPENDENT with `az resource show`; if the key is gone from its settings for good, exclude it with a reason and attest for it.",
		},
		{
			ReasonVersionNotShown, "The dependent does not show the version that it uses, though its service reports it.",
			"Its service or a proxy left a property out.",
			"Look at DEPENDENT with `az resource show`; if it stays, report it.",
		},
		{
			ReasonBindingChanged, "The dependent followed its key by itself and names a version for good now, or the other way round.",
			"Somebody changed its settings while the rotation was under way.",
			"Find out who pinned DEPENDENT in its activity log. Let it follow its key again, or `cmkd cancel OPERATION` and rotate anew: then cmkd re-pins it.",
		},
		{
			ReasonVersionChanged, "A dependent went to another version of its key without an operation.",
			"Somebody pinned it to that version, or a pipeline deployed it as it was before.",
			"Find out who did it; put it back, or `cmkd rotate KEY`. Do not disable the version that it is on.",
		},
		{
			ReasonKeyLeft, "A dependent that was under the key is not any more, and no operation took it away.",
			"Somebody gave it another key, or a key of Microsoft's.",
			"If that is meant to be: take it out of the configuration. If not, give it the key again.",
		},
		{
			ReasonNotObserved, "A dependent could not be observed, again and again.",
			"Azure does not answer, throttles, or does not let cmkd read it.",
			"The problem says which role to grant, and at which scope. What happens to the dependent meanwhile is not seen.",
		},
		{
			ReasonUpdateByHand, "The dependent names a version that cmkd cannot change; a person has to.",
			"Its service changes the key by an update of the whole resource, or in steps that only its owner can take.",
			"Do what the message of DEPENDENT says; cmkd sees it by itself: `cmkd status OPERATION`.",
		},
		{
			ReasonProvisioningFailed, "The last update of the dependent failed or was cancelled.",
			"Its own service refused it, or somebody stopped it. It is for the owner of the resource.",
			"The activity log of DEPENDENT says why; repair it with another update.",
		},
		{
			ReasonIdentityGone, "The identity by which the dependent reads its key is not assigned to it any more.",
			"Somebody took it away. The service goes on by what it remembers, for hours or months, and then loses its data.",
			"Assign it again, or give the dependent another identity that may use the key, before anything is rotated.",
		},
		{
			ReasonExcluded, "The dependent is left out on the operator's word.",
			"The configuration excludes it with a reason.",
			"Nothing. To have it followed again, take `exclude` out of the configuration.",
		},
		{
			ReasonRemoved, "The dependent was taken out of the configuration while an operation was under way.",
			"Somebody does not want it to be followed any more, or it left by mistake.",
			"Nothing. To have it followed again, list it under `dependents` of the key again.",
		},

		{
			ReasonKeyNotConfigured, "The key is not in the configuration any more, so nobody knows its dependents.",
			"Somebody took it out while a rotation was under way.",
			"Add it again, or `cmkd cancel OPERATION`.",
		},
		{
			ReasonDependentNotSettled, "A dependent still uses the previous version, or its use of the new one is not known well enough.",
			"It takes its time, its update was refused, or the evidence is weaker than `require` demands.",
			"`cmkd status OPERATION` shows how far it is.",
		},
		{
			ReasonDependentUnreachable, "A dependent cannot be read, so nobody knows which version it uses.",
			"It was deleted or moved, or a permission is missing.",
			"`cmkd status OPERATION` shows what to grant; if the resource is gone, take it out of the configuration.",
		},
		{
			ReasonDependentUnknown, "A dependent is not known to have left the previous version.",
			"Its service does not tell which version it uses, or it was not seen yet.",
			"`cmkd status OPERATION` shows what was seen of it.",
		},
		{
			ReasonDependentDiscovered, "A dependent that nobody listed uses the key, or may use it. cmkd does not write to it, and retires nothing until it is listed.",
			"It was made after the configuration was written, or was forgotten in it.",
			"Add DEPENDENT to the dependents of the key in the configuration; with `exclude` and a reason if it is not to be waited for.",
		},
		{
			ReasonDependentNotSeenAfresh, "A dependent was not seen again since the retirement was asked for.",
			"Its service has not answered yet.",
			"Wait a moment; `cmkd status OPERATION` shows if it cannot be read.",
		},
		{
			ReasonDependentInferred, "A dependent is only inferred to have left the previous version: the documented time has passed.",
			"Its service does not tell which version it uses. What is inferred never retires by itself.",
			"Make sure of it (the audit log of the vault shows who still uses the version), then `cmkd retire KEY`; or somebody else attests: `cmkd attest KEY DEPENDENT --reason … --until …`.",
		},
		{
			ReasonRolledBack, "A version that was retired is enabled again: after it was disabled a service said that it lacks it.",
			"A dependent was taken to have left the version and had not, or something that was not seen uses it.",
			"`cmkd events --operation OPERATION` shows which service said what. Find out what uses the version, then `cmkd retire KEY`. It is rolled back only once.",
		},
		{
			ReasonBlindSpot, "Something of a dependent may need the previous version and cannot be seen.",
			"Its service does not show it, or a permission to look is missing.",
			"Look at it by other means. If it needs the version no more: `cmkd attest KEY DEPENDENT --reason … --until …`, by another person than the one who retires.",
		},
		{
			ReasonNotAttested, "A dependent that nobody looks at is not attested to need the previous version no more.",
			"It is excluded, or of a kind that cmkd cannot read.",
			"Look at it by other means. If it needs the version no more: `cmkd attest KEY DEPENDENT --reason … --until …`, by another person than the one who retires.",
		},
		{
			ReasonAttestedByRetirer, "What a dependent rests on was attested by the person who retires.",
			"It takes two persons: one who looked, and one who retires.",
			"Have another person say `cmkd retire KEY`, or attest.",
		},
		{
			ReasonAttestationVoid, "An attestation does not count any more: what was seen since contradicts it, or it was taken back.",
			"The dependent was seen on an old version, or names its key in another way now.",
			"`cmkd status OPERATION` shows what was seen. Attest again once it is so.",
		},
		{
			ReasonAwaitsApproval, "What somebody asked for waits for a second person.",
			"The key has `two_person: true`.",
			"Look at what it breaks: `cmkd plan KEY --revoke`; then `cmkd approve OPERATION`, or `cmkd cancel OPERATION`.",
		},
		{
			ReasonAwaitsRetirement, "The previous version waits for a person to say that it may go.",
			"The key has `retire: manual`, or what is known of a dependent is only inferred.",
			"`cmkd status OPERATION` shows what is known of each dependent, then `cmkd retire KEY`.",
		},
		{
			ReasonManual, "The dependent is of a kind that cmkd cannot read; a person looks after it.",
			"The configuration lists it with `kind: manual`.",
			"Once it needs the old version no more: `cmkd attest KEY DEPENDENT --reason … --until …`.",
		},
		{
			ReasonVersionsUnknown, "The versions of the key cannot be read, so nobody knows whether the new one is in order.",
			"A permission was taken away, or the vault is gone.",
			"`cmkd status KEY` shows the answer of the vault and what to grant.",
		},
		{
			ReasonTargetMissing, "The vault does not list the version that the rotation made.",
			"The key was deleted and restored or made anew, or another vault has its name.",
			"Look at the key: `az keyvault key list-versions --vault-name VAULT --name NAME`; then `cmkd cancel OPERATION` and `cmkd rotate KEY`.",
		},
		{
			ReasonTargetSuperseded, "There is a newer version than the one that the rotation made.",
			"Somebody, or a rotation policy of the vault, made it meanwhile.",
			"Nothing: cmkd follows the newer version, and asks again afterwards.",
		},
		{
			ReasonSoak, "The soak time is not over.",
			"Every dependent is on the new version, for a shorter time than `soak` demands.",
			"Wait; `cmkd status OPERATION` shows how long.",
		},
		{
			ReasonInventoryIncomplete, "The search for dependents that nobody listed did not see everything.",
			"A permission is missing in a subscription, its id under `discover` is wrong, or a service does not answer.",
			"Grant \"Reader\" on the subscription to the daemon's identity, or name the subscriptions to search in `discover`.",
		},
		{
			ReasonDiscoveryOff, "Nobody searches for dependents that are not listed, so that nobody knows what the previous version would break.",
			"`discover` is off for the key.",
			"Take `discover: off` out of the configuration. While it is there, nothing is retired.",
		},

		{
			ReasonKeyNotFound, "The vault has no such key, or no such version of it.",
			"It is misspelt, in another vault, or was purged; just after a create or a recovery it may take a minute to appear.",
			"Check its name and its vault: `az keyvault key list --vault-name VAULT`.",
		},
		{
			ReasonKeyDeleted, "The key is deleted and can be recovered.",
			"Somebody deleted it.",
			"Recover it before it is purged: `az keyvault key recover --vault-name VAULT --name NAME`.",
		},
		{
			ReasonNameNotResolved, "The name of a host cannot be resolved.",
			"It is misspelt, does not exist, or this machine's DNS does not know it, as with a private endpoint.",
			"Try it on this machine: `getent hosts HOST`.",
		},
		{
			ReasonNotConnected, "A host does not take connections of this machine.",
			"A route, a firewall or HTTPS_PROXY.",
			"Check the route to Azure, the firewall and HTTPS_PROXY of the daemon.",
		},
		{
			ReasonNotTrusted, "The certificate of a host is not trusted, so nothing was sent.",
			"A proxy ends TLS with a certificate of its own.",
			"Check which certificate answers there, and SSL_CERT_FILE of the daemon.",
		},
		{
			ReasonNoToken, "No token could be had for the daemon's identity.",
			"The credential in the configuration is incomplete, or Microsoft Entra did not answer.",
			"Check the credential that is named in the configuration: `cmkd config check`.",
		},
		{
			ReasonTokenRefused, "Microsoft Entra refuses the daemon's identity.",
			"It does not exist in this tenant, or its certificate or secret has expired.",
			"Check its tenant, its client id and its certificate or secret.",
		},
		{
			ReasonHeldBack, "A call was not sent, because Azure asked to be left alone for a while.",
			"Too many calls, by cmkd or by others that share the limit.",
			"Nothing: cmkd waits as long as it was asked to.",
		},
		{
			ReasonUnreadableAnswer, "An answer cannot be read as what it should be.",
			"A proxy may have answered instead of Azure, or the service changed.",
			"Check proxies between this machine and Azure; if there are none, report it.",
		},
		{
			ReasonForeignAnswer, "The answer is about another resource than the one that was asked for.",
			"A proxy or a cache between this machine and Azure.",
			"Check proxies between this machine and Azure; if there are none, report it.",
		},
		{
			ReasonUnreadableChallenge, "The vault asks for a token in a way that cannot be read.",
			"The address may be a proxy's, and no vault's.",
			"Check the host in the key's identifier, and proxies in between.",
		},
		{
			ReasonRefusedLink, "A link in an answer leads elsewhere and was not followed: the daemon's token would have gone there.",
			"A proxy may have answered instead of Azure.",
			"Check proxies between this machine and Azure; if there are none, report it.",
		},
		{
			ReasonEndlessList, "The pages of a list do not end.",
			"A fault of the service, or a proxy that repeats an answer.",
			"Nothing at first: cmkd tries again. If it goes on, report it to Azure.",
		},
		{
			ReasonStatus, "A service answered with this HTTP status, and with no code of its own.",
			"A gateway or a proxy, or an outage.",
			"The message says which call it was; with 5xx cmkd tries again.",
		},
		{
			ReasonExit, "The program of a receiver ended with this status.",
			"It could not deliver the alert; the last line of its standard error is shown.",
			"Mend it, then `cmkd alert test`.",
		},

		{
			Reason(CodeInvalid), "What was asked for is wrong in itself.",
			"The request or the configuration.",
			"Correct what the message names.",
		},
		{
			Reason(CodeNotFound), "What was asked for does not exist.",
			"It was deleted, moved or misspelt.",
			"Take it out of the configuration, or correct its id.",
		},
		{
			Reason(CodeConflict), "It was changed meanwhile, or something else is under way on it.",
			"Another operation, of cmkd or of somebody else.",
			"Wait for its end: `cmkd status` shows those of cmkd.",
		},
		{
			Reason(CodeRefused), "A condition for it does not hold.",
			"It is named in the message.",
			"Do what the message says.",
		},
		{
			Reason(CodeForbidden), "A permission is missing.",
			"A role was not given, was taken away, or is not in effect yet.",
			"Grant what the message names; a new grant takes some minutes.",
		},
		{
			Reason(CodeThrottled), "Too many calls.",
			"cmkd and others share the limits of Azure.",
			"Nothing: cmkd waits as long as it is asked to.",
		},
		{
			Reason(CodeUnavailable), "A service does not answer, or not in time.",
			"The network, or an outage.",
			"Nothing at first: cmkd tries again. If it lasts, check the network and the health of Azure.",
		},
		{
			Reason(CodeInternal), "Something is as it can never be.",
			"A defect of cmkd, or a damaged store.",
			"Please report it with the log: `journalctl -u cmkd`.",
		},
	}
}

// InfoOf returns what is to be said of a reason, the zero value if it is none of
// cmkd's own.
func InfoOf(r Reason) ReasonInfo {
	stem := r[:strings.LastIndexByte(string(r), '-')+1]
	if _, err := strconv.Atoi(string(r[len(stem):])); err == nil {
		r = stem + placeholder // as ReasonOfStatus makes them
	}
	return reasonInfos[r]
}

// NextFor is the next step for a key and an operation, as it can be typed.
func (i ReasonInfo) NextFor(key string, op OperationID) string {
	return strings.NewReplacer("KEY", key, "OPERATION", op.String(), "`", "").Replace(i.Next)
}

// reasonInfos are the reasons by code.
var reasonInfos = func() map[Reason]ReasonInfo {
	all := map[Reason]ReasonInfo{}
	for _, info := range Reasons() {
		all[info.Reason] = info
	}
	return all
}()

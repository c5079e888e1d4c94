// Package azuresim is a simulated Azure: Entra ID tokens, Key Vault and Managed
// HSM, the parts of Azure Resource Manager that concern customer-managed keys,
// the blob data plane, and the behaviour of the services behind them on a
// virtual clock. A scenario file declares the estate, the faults and what
// happens when.
//
// It answers for Azure's own host names, either in process ([Server.Transport])
// or over the network through a [Proxy] with a throw-away certificate
// authority, and knows no other host.
//
// What documents show is not all that needs a key: [Server.Needs] tells the truth,
// version by version. The words of a scenario are the fields of [Scenario]; the
// embedded ones show most of them, "hidden" those for what documents do not show.
//
// It imports nothing else of this module. The clients are checked against it,
// so it must not share their mistakes. What it sends follows, in this order,
// the recorded traffic (named "recording" in comments), the official examples
// ("example"), and the facts file ("facts §n"); what is only common knowledge
// there is marked as unverified.
//
// # Scenarios
//
// [Scenario] documents every word of a scenario file. Four tables say what can be
// in it: [FaultKinds] what goes wrong and how Azure or a proxy in between lies,
// [ErrorCodes] the errors that a code alone calls up in Azure's own words,
// [Actions] what happens at a moment, and [Server.Quirks] what the facts leave
// open:
//
//	quirks: {copy_tags: true}            # what is not given is drawn by the seed
//	faults:
//	  - do: omit                         # a document without what it should have
//	    match: {operation: storage-list}
//	    paths: ['value[].properties.encryption']
//	  - do: old-list                     # lists of ten minutes ago
//	    behind: 10m
//	  - do: body                         # a proxy's page in place of an answer
//	    status: 502
//	    content_type: text/html
//	    body: <html>Bad gateway</html>
//	    no_effect: true
//	  - do: status                       # 403 > ForbiddenByFirewall, as recorded
//	    code: ForbiddenByFirewall
//	    match: {operation: key-rotate}
//	events:
//	  - {at: 2h, do: restore-vault, vault: contoso, behind: 24h}
//
// What Azure refuses is refused here (refuse.go, apiversion.go); what is not
// simulated is answered with 501 and the code NotSimulated, which Azure never
// says, and a message that names it.
package azuresim

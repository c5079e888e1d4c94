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
package azuresim

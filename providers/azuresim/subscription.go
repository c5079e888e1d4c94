package azuresim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// subscriptionStates are those of the model SubscriptionState of
// azure-sdk-for-go's armsubscriptions.
func subscriptionStates() []string {
	return []string{"Enabled", "Warned", "PastDue", "Disabled", "Deleted"}
}

// subscription returns a subscription by its id, nil if there is none.
func (s *Server) subscription(id string) *SubscriptionSpec {
	for i := range s.subs {
		if strings.EqualFold(s.subs[i].ID, id) {
			return &s.subs[i]
		}
	}
	return nil
}

// state is that of a subscription, Enabled unless the scenario says otherwise.
func (sub *SubscriptionSpec) state() string {
	if sub.State == "" {
		return subscriptionStates()[0]
	}
	return sub.State
}

// registered says whether a subscription uses a resource provider.
func (sub *SubscriptionSpec) registered(namespace string) bool {
	return !slices.ContainsFunc(sub.Unregistered, func(n string) bool { return strings.EqualFold(n, namespace) })
}

// registration is the state as providers show it.
func (sub *SubscriptionSpec) registration(namespace string) string {
	if sub == nil || sub.registered(namespace) {
		return "Registered"
	}
	return "NotRegistered"
}

// guardSubscription refuses what the state of the subscription does not allow:
// writes in a disabled one, anything of a provider that is not registered.
func (s *Server) guardSubscription(c *call) *answer {
	sub := s.subscription(c.target.subscription)
	if sub == nil {
		return nil
	}
	namespace := c.target.provider
	switch {
	case slices.Contains([]string{"Disabled", "Warned"}, sub.state()) && !readsOrDeletes(c.method):
		return gateway(readOnlySubscription(sub.ID))
	case c.extension == nil && c.target.typ != "" && !strings.EqualFold(c.target.typ, "register") && !sub.registered(namespace):
		return gateway(missingRegistration(namespace))
	}
	return nil
}

// readsOrDeletes is what a disabled or warned subscription still allows
// (documentation of subscription states): no PUT, PATCH or POST.
func readsOrDeletes(method string) bool {
	return slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodDelete}, method)
}

// readOnlySubscription refuses a write, or listKeys [example
// published/arm-error-bodies].
func readOnlySubscription(id string) *answer {
	return problem(http.StatusConflict, "ReadOnlyDisabledSubscription",
		"The subscription '%s' is disabled and therefore marked as read only. You cannot perform any write actions on"+
			" this subscription until it is re-enabled.", id)
}

// missingRegistration refuses a provider that is not registered [recording
// arm.error-bodies]; facts-evidence §6 has it on lists, too.
func missingRegistration(namespace string) *answer {
	const code = "MissingSubscriptionRegistration"
	message := fmt.Sprintf("The subscription is not registered to use namespace '%s'."+
		" See https://aka.ms/rps-not-found for how to register subscriptions.", namespace)
	return reply(http.StatusConflict, doc{"error": doc{
		"code": code, "message": message,
		"details": []any{doc{"code": code, "target": namespace, "message": message}},
	}})
}

// register makes a subscription use a provider: Registering at first, as long
// as an operation takes (ProvidersOperations.register of azure-mgmt-resource).
func (s *Server) register(c *call) *answer {
	d := s.providerDoc(c.target.subscription, c.target.provider)
	sub := s.subscription(c.target.subscription)
	if d == nil || sub == nil {
		return s.provider(c)
	}
	if !sub.registered(c.target.provider) {
		d["registrationState"] = "Registering"
	}
	id, namespace := sub.ID, c.target.provider
	s.agenda.add(c.now.Add(s.scenario.Operations.Duration.or(10*time.Second)), func(time.Time) {
		sub := s.subscription(id)
		sub.Unregistered = slices.DeleteFunc(slices.Clone(sub.Unregistered),
			func(n string) bool { return strings.EqualFold(n, namespace) })
	})
	return reply(http.StatusOK, d)
}

// subscriptions checks states and namespaces.
func (c *checker) subscriptions() {
	for i, sub := range c.scenario.Subscriptions {
		at := fmt.Sprintf("$.subscriptions[%d]", i)
		if sub.State != "" && !slices.Contains(subscriptionStates(), sub.State) {
			c.problem(at+".state", "unknown state %q; use one of %s", sub.State, strings.Join(subscriptionStates(), ", "))
		}
		for j, namespace := range sub.Unregistered {
			if !strings.Contains(namespace, ".") || strings.Contains(namespace, "/") {
				c.problem(fmt.Sprintf("%s.unregistered[%d]", at, j), "%q is no namespace; write it like Microsoft.DocumentDB", namespace)
			}
		}
	}
}

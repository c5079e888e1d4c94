package arm

import (
	"context"
	"encoding/json"
	"fmt"

	"cmkd/rotator"
)

// subscriptionsVersion is the api-version of the list of subscriptions
// (https://learn.microsoft.com/rest/api/resources/subscriptions/list).
const subscriptionsVersion = "2022-12-01"

// subscriptionDeleted is the state of a subscription in which nothing is left. The
// others are Enabled, Warned, PastDue and Disabled, whose resources can be read
// (https://learn.microsoft.com/javascript/api/@azure/arm-resources-subscriptions/subscriptionstate).
const subscriptionDeleted = "Deleted"

var _ rotator.Lister = (*Client)(nil)

// Subscriptions implements [rotator.Lister]: the subscriptions of the tenant in which the
// identity has a role, but for deleted ones. Azure leaves out the others without a word.
func (c *Client) Subscriptions(ctx context.Context) ([]string, error) {
	var all []string
	_, err := c.List(ctx, "/subscriptions", subscriptionsVersion, func(raw json.RawMessage) error {
		var s struct {
			SubscriptionID string `json:"subscriptionId"`
			State          string `json:"state"`
		}
		err := json.Unmarshal(raw, &s)
		if err == nil {
			err = CheckSubscription(s.SubscriptionID)
		}
		if err != nil {
			return &rotator.Error{
				Code: rotator.CodeUnavailable, Reason: rotator.ReasonUnreadableAnswer, NoEffect: true,
				Message: fmt.Sprintf("an element of the list of subscriptions: %v", err), Err: err,
			}
		}
		if s.State != subscriptionDeleted {
			all = append(all, s.SubscriptionID)
		}
		return nil
	}, CallOptions{})
	return all, err
}

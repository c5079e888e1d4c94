package daemon

import (
	"context"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"

	"cmkd/configs"
	"cmkd/providers/arm"
	"cmkd/providers/credential"
	"cmkd/providers/keyvault"
	"cmkd/providers/kind"
	"cmkd/rotator"
	"cmkd/rotator/engine"
)

// azure is everything that speaks to Azure.
type azure struct {
	vault    *keyvault.Vault
	services []rotator.Service
	lister   rotator.Lister
}

func newAzure(c configs.Azure, clock rotator.Clock, observe func(arm.Call)) (*azure, error) {
	where := cloudOf(c.Cloud)
	cred, err := credential.New(credential.Options{
		Name: c.Credential, TenantID: c.TenantID, ClientID: c.ClientID, CertificatePath: c.Certificate, Cloud: where,
	})
	if err != nil {
		return nil, fmt.Errorf("make the Azure credential: %w", err)
	}
	client, err := arm.NewClient(cred, arm.Options{Cloud: where, Clock: clock, Observe: observe})
	if err != nil {
		return nil, fmt.Errorf("make the ARM client: %w", err)
	}
	blob := kind.NewBlobProbe(cred, kind.BlobOptions{Cloud: where, Clock: clock, Observe: observe})
	return &azure{
		vault:    keyvault.New(cred, keyvault.Options{Cloud: where, Clock: clock, Observe: observe}),
		services: kind.Services(kind.Deps{ARM: client, Blob: blob}),
		lister:   client,
	}, nil
}

func cloudOf(name string) cloud.Configuration {
	switch name {
	case "usgovernment":
		return cloud.AzureGovernment
	case "china":
		return cloud.AzureChina
	default:
		return cloud.AzurePublic
	}
}

// checkKeys refuses keys whose vault is of another cloud: no token is sent there.
func (a *azure) checkKeys(keys []rotator.Key) error {
	for i := range keys {
		if err := a.vault.CheckKey(keys[i].ID); err != nil {
			return fmt.Errorf("key %s: %w", keys[i].Name, err)
		}
	}
	return nil
}

// prioritize tells the ARM client's pacing what matters.
func prioritize(ctx context.Context, p engine.Priority) context.Context {
	switch p {
	case engine.PriorityRevocation:
		return arm.WithPriority(ctx, arm.High)
	case engine.PriorityGrid, engine.PriorityWatch:
		return arm.WithPriority(ctx, arm.Low)
	default:
		return arm.WithPriority(ctx, arm.Normal)
	}
}

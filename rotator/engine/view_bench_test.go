package engine

import (
	"fmt"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// largeEstate is an engine with many idle keys, each with a time to rotate.
func largeEstate(b *testing.B, keys int) *Engine {
	b.Helper()
	azure := rotatortest.NewAzure()
	configured := make([]rotator.Key, keys)
	for i := range configured {
		name := fmt.Sprintf("key%06d", i)
		s, err := rotator.ParseSchedule("0 3 1 * *", "", time.Hour, rotator.MisfireCatchUp, name)
		if err != nil {
			b.Fatal(err)
		}
		configured[i] = rotator.Key{Name: name, ID: rotator.KeyID("https://contoso.vault.azure.net/keys/" + name), Schedule: s}
	}
	e := New(Options{
		Store: rotatortest.NewStore(), Vault: azure, Services: azure.Services(), Clock: rotatortest.Clock{}, Keys: configured,
	})
	if err := e.runner.core.reset(b.Context(), configured, time.Now()); err != nil {
		b.Fatal(err)
	}
	e.runner.publishAllKeys(e.runner.core.states)
	return e
}

// BenchmarkPublish is what each commit costs beside itself, with 100,000 keys.
func BenchmarkPublish(b *testing.B) {
	e := largeEstate(b, 100_000)
	b.ResetTimer()
	for range b.N {
		e.runner.publish()
	}
}

// BenchmarkKeys is a page of the status of 100,000 keys.
func BenchmarkKeys(b *testing.B) {
	e := largeEstate(b, 100_000)
	b.ResetTimer()
	for range b.N {
		page, err := e.Keys(b.Context(), rotator.KeyQuery{After: "key050000", Limit: 100})
		if err != nil || len(page) != 100 {
			b.Fatal(len(page), err)
		}
	}
}

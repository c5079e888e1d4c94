package rotatortest_test

import (
	"testing"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
	"cmkd/store/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Exercise(t, func(*testing.T) rotator.Store { return rotatortest.NewStore() })
}

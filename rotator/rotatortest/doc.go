// Package rotatortest has what tests of the engine need: a store in memory, a
// vault and services that behave, and can be told to misbehave. It is for tests
// only.
package rotatortest

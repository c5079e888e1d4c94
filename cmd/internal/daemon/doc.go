// Package daemon is the one place where the parts meet: it reads the
// configuration, opens the store, makes the clients of Azure, and runs the engine
// and the control socket until it is told to stop. It decides nothing about keys.
package daemon

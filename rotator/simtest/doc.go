// Package simtest drives the engine's reactor through a simulated world from one
// seed: one thread, a virtual clock, random operators, reloads, faults, lost and late
// answers, failed commits, crashes and clock jumps. An oracle that knows the truth
// checks after every step what must hold. The same seed makes the same run.
//
//	go test ./rotator/simtest                                     a fixed number of seeds
//	make sim SIM_TIME=2m                                          as many as the time allows
//	CMKD_SIM_SEED=7 go test ./rotator/simtest -run TestReplay -v  one seed, with its trace
package simtest

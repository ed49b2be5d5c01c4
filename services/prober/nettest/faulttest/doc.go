// Package faulttest is a server on loopback that misbehaves in every way that a
// network check must survive: silence in each phase, resets, broken framing, bad
// certificates, endless and exploding bodies, and a DNS server with scripted
// answers.
//
//	s, err := faulttest.Start()
//	if err != nil { … }
//	defer s.Close()
//	for _, c := range faulttest.Cases() {
//		check(s.URL(c.Fault)) // should end with c.Status, c.ErrorType, c.Phase
//	}
//
// Every fault listens on a port of its own and serves any number of connections.
// Nothing outlives Close. It is meant for tests.
package faulttest

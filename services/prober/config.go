package prober

import (
	"errors"
	"time"
)

// Config is what an operator chooses.
type Config struct {
	ProberID string // unique among the probers; required
	Region   string // code of the region it stands in; required
	Version  string // of the binary

	MaxChecks        int   // checks in flight; 0 means 4096
	MaxChecksPerHost int   // checks in flight per target host; 0 means 512
	OutboxResults    int   // results kept while events cannot be reached; 0 means 500000
	OutboxBytes      int64 // size of the results kept while events cannot be reached; 0 means 256 MiB
	// ResolverWitnesses are the zones under which the resolver is tested when a name fails, to tell its fault from the
	// target's; nil means public ones. A network without public DNS needs its own.
	ResolverWitnesses []string
	// CheckSampleRatio is the share of checks that are traced, if traces are exported; 0 means DefaultCheckSampleRatio,
	// negative means none. Unless it is negative, checks that turn out otherwise than the one before are traced as well, up to
	// ten a second.
	CheckSampleRatio float64
	// Dir is the folder of the spool and of what has to outlive the process: its session, its assignments. "" keeps results
	// in memory, and a restart finds out from events what was missed.
	Dir string
	// SpoolBytes bounds the spool on disk; 0 means 1 GiB.
	SpoolBytes int64
	// SpoolBlocks makes checks wait, and slots be missed, when the spool is full; else the oldest results give way.
	SpoolBlocks bool
	// Witnesses are host:port of TCP services that have nothing to do with each other nor with any target; a name stands for
	// both families of addresses. When fewer than half of those of a family that have ever answered do so, the network here is
	// at fault. nil means public ones: port 443 of 1.1.1.1, 8.8.8.8 and 9.9.9.9 and their IPv6 addresses. Empty means none.
	Witnesses []string
	// SecondResolvers are name servers, address or address:port, that are asked besides the configured ones about a name that a
	// first failure is about, in turn; names of private networks are not told to them. nil means public ones: 9.9.9.9 and
	// 1.1.1.1. Empty means none.
	SecondResolvers []string
	// MassFailure is the part of the hosts checked within seconds that have to fall silent together, five unrelated ones at
	// least, to be doubted whatever else answers; 0 means 0.5, negative means never.
	MassFailure float64

	StopGrace  time.Duration // for checks in flight at a stop; 0 means 3 s
	DrainGrace time.Duration // for the uplink at a stop; 0 means 4 s: a store may wait a second for company
}

func (c Config) withDefaults() (Config, error) {
	if c.ProberID == "" || c.Region == "" {
		return c, errors.New("prober needs an id and a region")
	}
	if c.MaxChecks == 0 {
		c.MaxChecks = 4096
	}
	c.MaxChecks = min(c.MaxChecks, checksOf(descriptorLimit()))
	if c.MaxChecksPerHost == 0 {
		c.MaxChecksPerHost = 512
	}
	if c.OutboxResults == 0 {
		c.OutboxResults = 500_000
	}
	if c.OutboxBytes == 0 {
		c.OutboxBytes = 256 << 20
	}
	if c.CheckSampleRatio == 0 {
		c.CheckSampleRatio = DefaultCheckSampleRatio
	}
	if c.MassFailure == 0 {
		c.MassFailure = defaultShare
	}
	if c.SecondResolvers == nil {
		c.SecondResolvers = []string{"9.9.9.9", "1.1.1.1"}
	}
	if c.StopGrace == 0 {
		c.StopGrace = 3 * time.Second
	}
	if c.DrainGrace == 0 {
		c.DrainGrace = 4 * time.Second
	}
	return c, nil
}

const (
	// descriptorReserve is kept for streams, files and what a library opens.
	descriptorReserve = 256
	// descriptorsPerCheck: Happy Eyeballs has two sockets, and so has a lookup beside a connection.
	descriptorsPerCheck = 2
)

// checksOf is how many checks may be in flight with that many descriptors.
func checksOf(descriptors uint64) int {
	reserve := min(descriptorReserve, descriptors/4)
	return int(max(min((descriptors-reserve)/descriptorsPerCheck, 1<<30), 1))
}

package events

import (
	"context"
	"time"
)

// EvidencePerMonitor is how many pieces of evidence a monitor keeps of failures that were no outage.
const EvidencePerMonitor = 50

// Evidence is what was found out about the first failing check of a region. A repeat with the same monitor, region and slot is
// the same evidence.
//
// It is pinned if the region was down from that slot on: then it is what an outage began with.
type Evidence struct {
	MonitorID      uint32
	Region         string
	ScheduledAt    time.Time // the slot, in whole milliseconds
	OrganizationID string
	Facts          []byte // the encoded evidence without what the target said
	Raw            []byte // what the target said, encoded as a part of the evidence; nil once it is given up
}

// EvidenceStore keeps evidence. All methods may be called at once. StateStore.Prune bounds it.
type EvidenceStore interface {
	// PutEvidence stores one piece, unless there is one with the same monitor, region and slot: then it changes nothing.
	PutEvidence(ctx context.Context, e Evidence) error

	// Evidence returns a monitor's evidence in the order of its slots, and of one slot of its regions: newest first, or, with
	// Oldest, oldest first.
	Evidence(ctx context.Context, q EvidenceQuery) ([]Evidence, error)
}

// EvidenceQuery says which evidence. Zero fields do not restrict.
type EvidenceQuery struct {
	MonitorID uint32
	Region    string
	From, To  time.Time // From is included, To is not
	Oldest    bool      // oldest first
	Limit     int       // at least 1
}

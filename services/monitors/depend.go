package monitors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxDependsOn is how many monitors one may depend on; the schema has the same.
const maxDependsOn = 16

func dependencyField(i int) string { return fmt.Sprintf("depends_on[%d]", i) }

func (c *Config) validateDependencies(p *problems) {
	if len(c.DependsOn) > maxDependsOn {
		p.add("depends_on", "must have at most %d entries", maxDependsOn)
	}
	for i, id := range c.DependsOn {
		if slices.Contains(c.DependsOn[:i], id) {
			p.add(dependencyField(i), "monitor %d is there twice", id)
		}
	}
}

// dependable refuses dependencies of m on what is no monitor of its organization, and on itself, directly or not. m has no id before
// it is stored, and then nothing depends on it.
func dependable(ctx context.Context, tx Tx, m Monitor) error {
	if len(m.Config.DependsOn) == 0 {
		return nil
	}
	var p problems
	for i, id := range m.Config.DependsOn {
		if id == m.ID {
			p.add(dependencyField(i), "monitor %d is this one, and a monitor cannot depend on itself", id)
			continue
		}
		switch _, err := tx.Monitor(ctx, m.OrganizationID, id); {
		case errors.Is(err, ErrNotFound):
			p.add(dependencyField(i), "%d is not a monitor of the organization", id)
		case err != nil:
			return err
		}
	}
	if err := p.err(); err != nil || m.ID == 0 {
		return err
	}
	edges, err := tx.Dependencies(ctx, m.OrganizationID)
	if err != nil {
		return err
	}
	for i, id := range m.Config.DependsOn {
		if way := pathTo(edges, id, m.ID); way != nil {
			p.add(dependencyField(i), "monitor %d depends on this one (%s), and dependencies must not go round in circles", id, pathText(way))
		}
	}
	return p.err()
}

// pathTo is a shortest way along edges from one monitor to another, both included; nil if there is none.
func pathTo(edges map[uint32][]uint32, from, to uint32) []uint32 {
	before := map[uint32]uint32{from: 0}
	for queue := []uint32{from}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if at == to {
			var way []uint32
			for ; at != 0; at = before[at] {
				way = append(way, at)
			}
			slices.Reverse(way)
			return way
		}
		for _, next := range edges[at] {
			if _, seen := before[next]; !seen {
				before[next] = at
				queue = append(queue, next)
			}
		}
	}
	return nil
}

// maxShownPath is how much of a circle an error shows.
const maxShownPath = 8

func pathText(way []uint32) string {
	var parts []string
	for i, id := range way {
		if i == maxShownPath-1 && len(way) > maxShownPath {
			parts = append(parts, "…", idText(way[len(way)-1]))
			break
		}
		parts = append(parts, idText(id))
	}
	return strings.Join(parts, " → ")
}

// dropDependency takes a monitor that was deleted out of those that depend on it. To refuse the deletion would ask somebody who takes
// a router away to change all that stood behind it first; and what depends on nothing is told about as ever, so nothing is lost.
func dropDependency(ctx context.Context, tx Tx, gone Monitor) error {
	edges, err := tx.Dependencies(ctx, gone.OrganizationID)
	if err != nil {
		return err
	}
	for id, on := range edges {
		if !slices.Contains(on, gone.ID) {
			continue
		}
		old, err := tx.Monitor(ctx, gone.OrganizationID, id)
		if err != nil {
			return err
		}
		m := old
		m.Config.DependsOn = nil
		for _, parent := range on {
			if parent != gone.ID {
				m.Config.DependsOn = append(m.Config.DependsOn, parent)
			}
		}
		m.advance(old, now())
		if err := tx.Update(ctx, m); err != nil {
			return err
		}
		if err := audited(ctx, tx, "update", idText(id), snapshotOf(old, false), snapshotOf(m, false)); err != nil {
			return err
		}
	}
	return nil
}

package monitors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/maintenance"
)

// WindowConfig is everything about a maintenance window that people decide. Its JSON has the names of the REST surface.
type WindowConfig struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	maintenance.Target
	maintenance.Spec
}

// Window is a maintenance window as it was from one change until the next.
type Window struct {
	ID             uint32
	OrganizationID string
	Config         WindowConfig
	Version        uint32 // from 1
	CreatedAt      time.Time
	CreatedBy      string
	From           time.Time // since when this version holds
	Until          time.Time // when it was changed or deleted; zero while it holds
	Rev            int64     // of the store's changes
}

// ETag is the entity tag of this version.
func (w Window) ETag() string { return fmt.Sprintf(`"v%d"`, w.Version) }

// ActiveAt reports whether the window is active at t, by this version.
func (w Window) ActiveAt(t time.Time) bool {
	s, err := maintenance.Compiled(w.Config.Spec)
	if err != nil { // a zone that is gone from the database of zones
		return false
	}
	_, active := s.At(t)
	return active && !t.Before(w.From) && (w.Until.IsZero() || t.Before(w.Until))
}

// WindowStore keeps maintenance windows and every version of them.
type WindowStore interface {
	// Window returns a window that is not deleted, or ErrWindowNotFound.
	Window(ctx context.Context, organizationID string, id uint32) (Window, error)
	// Windows returns all that are not deleted, by falling id.
	Windows(ctx context.Context, organizationID string) ([]Window, error)
	// WindowVersions returns versions of the windows of all organizations whose last change is after rev and that hold or held
	// after since, in the order of their last changes, at most limit. A version changes twice: when it begins and when it ends.
	// The promise is that of Changes.
	WindowVersions(ctx context.Context, rev int64, since time.Time, limit int) ([]Window, error)
}

// WindowTx is what a transaction does with windows.
type WindowTx interface {
	// Window is as in WindowStore.
	Window(ctx context.Context, organizationID string, id uint32) (Window, error)
	// InsertWindow adds w as its own first version under a new id, never used again, which it returns. ErrTooManyWindows if the
	// organization has MaxWindows.
	InsertWindow(ctx context.Context, w Window) (uint32, error)
	// ReplaceWindow ends the version that holds at w.From and adds w in its place. Creation stays. ErrWindowNotFound.
	ReplaceWindow(ctx context.Context, w Window) error
	// DeleteWindow ends the version that holds at the given time, and the window. ErrWindowNotFound.
	DeleteWindow(ctx context.Context, organizationID string, id uint32, at time.Time) error
}

// MaxWindows is how many windows an organization may have.
const MaxWindows = 200

// The answers to a request that a store cannot fulfil.
var (
	ErrWindowNotFound = fault.NotFound("maintenance window not found")
	ErrTooManyWindows = fault.Exhausted("the organization has as many maintenance windows as it may have; delete some that are over").Because("LIMIT_REACHED")
)

// Limits of a window; the schema has the same.
const (
	maxDescriptionRunes = 2000
	maxWindowMonitors   = 1000
	maxWindowLabels     = 16
	maxSelectorBytes    = 300
)

// validate checks c as a whole.
func (c *WindowConfig) validate(p *problems) {
	named := Config{Name: c.Name}
	named.validateName(false, p)
	if utf8.RuneCountInString(c.Description) > maxDescriptionRunes {
		p.add("description", "must be at most %d characters", maxDescriptionRunes)
	}
	switch {
	case len(c.MonitorIDs) == 0 && len(c.Labels) == 0:
		p.add("monitor_ids", "must name a monitor, or labels must name a label")
	case len(c.MonitorIDs) > maxWindowMonitors:
		p.add("monitor_ids", "must have at most %d entries", maxWindowMonitors)
	case len(c.Labels) > maxWindowLabels:
		p.add("labels", "must have at most %d entries", maxWindowLabels)
	}
	for i, l := range c.Labels {
		key, _, _ := strings.Cut(l, "=")
		if !labelKey.MatchString(key) || len(l) > maxSelectorBytes || strings.ContainsFunc(l, isControl) {
			p.add(fmt.Sprintf("labels[%d]", i), "%q must be key=value, or a key alone", l)
		}
	}
	if _, err := maintenance.Compiled(c.Spec); err != nil {
		var wrong *maintenance.Error
		if !errors.As(err, &wrong) {
			wrong = &maintenance.Error{Field: "starts_at", Rule: err.Error()}
		}
		p.add(wrong.Field, "%s", wrong.Rule)
	}
}

// namesMonitors refuses ids that are no monitors of the organization. Those in known were accepted before, and may have been
// deleted since.
func (s *Service) namesMonitors(ctx context.Context, organizationID string, ids, known []uint32, p *problems) error {
	asked := slices.DeleteFunc(slices.Clone(ids), func(id uint32) bool { return slices.Contains(known, id) })
	if len(asked) == 0 || len(asked) > maxWindowMonitors {
		return nil
	}
	ms, err := s.store.Monitors(ctx, Filter{OrganizationID: organizationID, IDs: &IDFilter{In: asked}, Limit: len(asked)})
	if err != nil {
		return err
	}
	for _, id := range asked {
		if !slices.ContainsFunc(ms, func(m Monitor) bool { return m.ID == id }) {
			p.add("monitor_ids", "%d is not a monitor of the organization", id)
		}
	}
	return nil
}

// inMaintenance are the targets of the organization's windows that are active at t.
func (s *Service) inMaintenance(ctx context.Context, organizationID string, t time.Time) ([]maintenance.Target, error) {
	windows, err := s.store.Windows(ctx, organizationID)
	if err != nil {
		return nil, fmt.Errorf("windows: %w", err)
	}
	var active []maintenance.Target
	for _, w := range windows {
		if w.ActiveAt(t) {
			active = append(active, w.Config.Target)
		}
	}
	return active, nil
}

func covered(targets []maintenance.Target, m Monitor) bool {
	return slices.ContainsFunc(targets, func(t maintenance.Target) bool { return t.Covers(m.ID, m.Config.Labels) })
}

// monitorsOf are the enabled monitors that the targets are for.
func (s *Service) monitorsOf(ctx context.Context, organizationID string, targets []maintenance.Target) (map[uint32]bool, error) {
	found := map[uint32]bool{}
	collect := func(f Filter) error {
		f.OrganizationID, f.Limit, f.Enabled = organizationID, maxPageSize, ptr(true)
		for {
			ms, err := s.store.Monitors(ctx, f)
			if err != nil {
				return err
			}
			for _, m := range ms {
				found[m.ID] = true
			}
			if len(ms) < maxPageSize {
				return nil
			}
			f.Before = ms[len(ms)-1].ID
		}
	}
	for _, t := range targets {
		if len(t.MonitorIDs) > 0 {
			if err := collect(Filter{IDs: &IDFilter{In: t.MonitorIDs}}); err != nil {
				return nil, err
			}
		}
		if len(t.Labels) > 0 {
			if err := collect(Filter{Labels: labelFilters(t.Labels)}); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

func labelFilters(labels []string) []LabelFilter {
	var out []LabelFilter
	for _, l := range labels {
		f := LabelFilter{}
		key, value, exact := strings.Cut(l, "=")
		if f.Key = key; exact {
			f.Value = &value
		}
		out = append(out, f)
	}
	return out
}

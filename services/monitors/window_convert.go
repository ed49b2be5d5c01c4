package monitors

import (
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/maintenance"
)

// windowConfigFromProto reads what people wrote; what begins at no given time begins at now.
func windowConfigFromProto(w *monitorsv1.MaintenanceWindow, now time.Time, p *problems) WindowConfig {
	c := WindowConfig{Name: w.GetName(), Description: w.GetDescription()}
	c.MonitorIDs = append([]uint32{}, w.GetMonitorIds()...)
	slices.Sort(c.MonitorIDs)
	c.MonitorIDs = slices.Compact(c.MonitorIDs)
	c.Labels = append([]string{}, w.GetLabels()...)
	c.Start = timeFromProto("starts_at", w.GetStartsAt(), p)
	if w.GetStartsAt() == nil {
		c.Start = now
	}
	if w.GetStartsAt() == nil && w.GetRrule() != "" {
		c.Start = now.Truncate(time.Minute) // the rule takes its seconds from there, and nobody means those of now
	}
	c.End = timeFromProto("ends_at", w.GetEndsAt(), p)
	c.RRule, c.Cron = strings.TrimSpace(given("rrule", w.Rrule, p)), strings.TrimSpace(given("cron", w.Cron, p))
	c.Timezone, c.Length = given("timezone", w.Timezone, p), maintenance.Seconds(w.GetDurationSeconds())
	if w.DurationSeconds != nil && c.Length == 0 {
		p.add("duration_seconds", "must be between %d and %d", maintenance.MinLength, maintenance.MaxLength)
	}
	return c
}

func timeFromProto(field string, t *timestamppb.Timestamp, p *problems) time.Time {
	switch {
	case t == nil:
		return time.Time{}
	case t.CheckValid() != nil:
		p.add(field, "must be a time")
		return time.Time{}
	}
	return t.AsTime().Truncate(time.Millisecond)
}

// windowConfigToProto is what people wrote.
func windowConfigToProto(c WindowConfig) *monitorsv1.MaintenanceWindow {
	w := &monitorsv1.MaintenanceWindow{
		Name: text(c.Name), Description: text(c.Description), MonitorIds: slices.Clone(c.MonitorIDs), Labels: slices.Clone(c.Labels),
		StartsAt: timestamppb.New(c.Start), Rrule: text(c.RRule), Cron: text(c.Cron), Timezone: text(c.Timezone),
		DurationSeconds: nonZero(int32(c.Length)),
	}
	if !c.End.IsZero() {
		w.EndsAt = timestamppb.New(c.End)
	}
	return w
}

const shownOccurrences = 5

// windowToProto is the window as people read it at now.
func windowToProto(w Window, now time.Time) *monitorsv1.MaintenanceWindow {
	out := windowConfigToProto(w.Config)
	out.Id, out.OrganizationId, out.Version, out.CreatedBy = w.ID, w.OrganizationID, w.Version, w.CreatedBy
	out.CreatedAt, out.UpdatedAt = timestamppb.New(w.CreatedAt), timestamppb.New(w.From)
	out.Active = w.ActiveAt(now)
	s, err := maintenance.Compiled(w.Config.Spec)
	if err != nil {
		return out
	}
	for _, o := range s.Next(now, shownOccurrences) {
		out.NextOccurrences = append(out.NextOccurrences, &monitorsv1.MaintenanceOccurrence{
			Start: timestamppb.New(o.Start), End: timestamppb.New(o.End), LocalStart: o.Start.In(s.Zone()).Format(time.RFC3339),
		})
	}
	return out
}

// versionToProto is what other services need to know of a version.
func versionToProto(w Window) *monitorsv1.MaintenanceVersion {
	c := w.Config
	v := &monitorsv1.MaintenanceVersion{
		WindowId: w.ID, Version: w.Version, OrganizationId: w.OrganizationID, Name: c.Name, MonitorIds: slices.Clone(c.MonitorIDs),
		Labels: slices.Clone(c.Labels), StartsAt: timestamppb.New(c.Start), Rrule: c.RRule, Cron: c.Cron, Timezone: c.Timezone,
		DurationSeconds: int64(c.Length), ValidFrom: timestamppb.New(w.From),
	}
	if !c.End.IsZero() {
		v.EndsAt = timestamppb.New(c.End)
	}
	if !w.Until.IsZero() {
		v.ValidUntil = timestamppb.New(w.Until)
	}
	return v
}

// mergeWindow replaces the fields of base that the mask names, or without one those that body holds, each as a whole.
func mergeWindow(base, body *monitorsv1.MaintenanceWindow, mask *fieldmaskpb.FieldMask) error {
	paths, err := changedPaths(body, mask)
	if err != nil {
		return err
	}
	to, from := base.ProtoReflect(), proto.CloneOf(body).ProtoReflect()
	for _, p := range paths {
		if fd := p[0]; from.Has(fd) {
			to.Set(fd, from.Get(fd))
		} else {
			to.Clear(fd)
		}
	}
	return nil
}

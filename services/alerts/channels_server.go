package alerts

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/fault"
)

type channelsServer struct {
	alertsv1.UnsafeChannelsServiceServer
	*Service
}

var _ alertsv1.ChannelsServiceServer = (*channelsServer)(nil)

// ListChannels implements alertsv1.ChannelsServiceServer.
func (s *channelsServer) ListChannels(ctx context.Context, _ *alertsv1.ListChannelsRequest) (*alertsv1.ListChannelsResponse, error) {
	channels, err := s.store.Channels(ctx, caller(ctx).OrganizationID)
	if err != nil {
		return nil, err
	}
	out := &alertsv1.ListChannelsResponse{Types: s.ways.names()}
	for _, c := range channels {
		out.Channels = append(out.Channels, channelProto(c, nil))
	}
	return out, nil
}

// CreateChannel implements alertsv1.ChannelsServiceServer.
func (s *channelsServer) CreateChannel(ctx context.Context, in *alertsv1.CreateChannelRequest) (*alertsv1.Channel, error) {
	at := now()
	c := Channel{OrganizationID: caller(ctx).OrganizationID, CreatedAt: at, UpdatedAt: at}
	all := map[string]bool{
		"type": true, "name": true, "config": true, "monitor_ids": true, "trigger_events": true, "enabled": true,
		"digest_window_seconds": true, "max_messages_per_minute": true,
		"fallback_channel_id": true, "fallback_after_seconds": true, "reminder_interval_seconds": true,
		"canary_interval_hours": true,
	}
	if err := s.checkMonitors(ctx, in.GetChannel(), all); err != nil {
		return nil, err
	}
	set, made, err := s.applyChannel(&c, Settings{}, in.GetChannel(), all)
	if err != nil {
		return nil, err
	}
	c, err = s.store.CreateChannel(ctx, c, func(c *Channel) (audit.Row, error) {
		if c.Config, err = s.seal(c.OrganizationID, c.target(), set); err != nil {
			return audit.Row{}, err
		}
		return audit.New(ctx, "channel.create", "channel", number(c.ID)).Change(nil, channelProto(*c, nil))
	})
	if err != nil {
		return nil, err
	}
	answerCode(ctx, httpCreated)
	return channelProto(c, made), nil
}

// UpdateChannel implements alertsv1.ChannelsServiceServer.
func (s *channelsServer) UpdateChannel(ctx context.Context, in *alertsv1.UpdateChannelRequest) (*alertsv1.Channel, error) {
	given, err := fieldsGiven(in.GetChannel(), in.GetUpdateMask())
	if err != nil {
		return nil, err
	}
	if err := s.checkMonitors(ctx, in.GetChannel(), given); err != nil {
		return nil, err
	}
	var made map[string]any
	c, err := s.store.UpdateChannel(ctx, caller(ctx).OrganizationID, in.GetId(), func(c *Channel) (audit.Row, error) {
		before := channelProto(*c, nil)
		if made, err = s.changeChannel(c, in.GetChannel(), given); err != nil {
			return audit.Row{}, err
		}
		c.UpdatedAt = now()
		return audit.New(ctx, "channel.update", "channel", number(c.ID)).Change(before, channelProto(*c, nil))
	})
	if err != nil {
		return nil, err
	}
	return channelProto(c, made), nil
}

func (s *Service) changeChannel(c *Channel, in *alertsv1.Channel, given map[string]bool) (map[string]any, error) {
	var old Settings
	if given["config"] && in.GetConfig() != nil && !changesType(c.Type, in.Type, given["type"]) {
		old = s.oldSettings(c.OrganizationID, c.target(), c.Config)
	}
	set, made, err := s.applyChannel(c, old, in, given)
	if err != nil || set.Public == nil {
		return nil, err
	}
	c.Config, err = s.seal(c.OrganizationID, c.target(), set)
	return made, err
}

func (c Channel) target() Target { return Target{TargetChannel, c.ID} }

// applyChannel lays the given fields of in over c. The settings are empty if they do not change.
func (s *Service) applyChannel(c *Channel, old Settings, in *alertsv1.Channel, given map[string]bool) (Settings, map[string]any, error) {
	var bad []fault.Field
	replaced := changesType(c.Type, in.Type, given["type"])
	if given["type"] {
		c.Type = in.GetType()
	}
	if given["enabled"] {
		c.Enabled = in.Enabled == nil || *in.Enabled
	}
	if given["name"] {
		if c.Name = strings.TrimSpace(in.GetName()); c.Name == "" {
			bad = append(bad, fault.Field{Name: "name", Message: "is required"})
		}
	}
	if given["trigger_events"] {
		c.Events = eventsFrom(in.GetTriggerEvents())
	}
	if given["digest_window_seconds"] {
		if c.DigestWindow = DefaultDigestWindow; in.DigestWindowSeconds != nil {
			c.DigestWindow = time.Duration(in.GetDigestWindowSeconds()) * time.Second
		}
	}
	if given["max_messages_per_minute"] {
		if c.PerMinute = DefaultPerMinute; in.MaxMessagesPerMinute != nil {
			c.PerMinute = int(in.GetMaxMessagesPerMinute())
		}
	}
	if given["fallback_channel_id"] {
		c.FallbackID = in.GetFallbackChannelId()
	}
	if given["fallback_after_seconds"] {
		if c.FallbackAfter = DefaultFallbackAfter; in.FallbackAfterSeconds != nil {
			c.FallbackAfter = time.Duration(in.GetFallbackAfterSeconds()) * time.Second
		}
	}
	if given["reminder_interval_seconds"] {
		c.Reminder = time.Duration(in.GetReminderIntervalSeconds()) * time.Second
	}
	if given["canary_interval_hours"] {
		c.CanaryEvery = time.Duration(in.GetCanaryIntervalHours()) * time.Hour
	}
	if given["monitor_ids"] {
		ids, found := monitorIDsFrom(in.GetMonitorIds())
		c.MonitorIDs = ids
		bad = append(bad, found...)
	}
	set, made, found := applyConfig(configChange{
		ways: s.ways, via: c.Type, old: old, given: in.GetConfig(), change: given["config"] || replaced,
		typeField: "type", configField: "config",
	})
	if bad = append(bad, found...); len(bad) > 0 {
		return Settings{}, nil, fault.Invalid("", bad...)
	}
	return set, made, nil
}

// monitorIDsFrom reads the list; nil means all monitors, and is not the same as an empty list, which would mean none.
func monitorIDsFrom(list *structpb.ListValue) ([]uint32, []fault.Field) {
	if list == nil {
		return nil, nil
	}
	if n := len(list.GetValues()); n == 0 || n > MaxChannelMonitors {
		return nil, []fault.Field{{Name: "monitor_ids", Message: "must name between 1 and 1000 monitors, or be null for all"}}
	}
	var bad []fault.Field
	ids := make([]uint32, 0, len(list.GetValues()))
	for i, v := range list.GetValues() {
		n, ok := v.GetKind().(*structpb.Value_NumberValue)
		if !ok || n.NumberValue != math.Trunc(n.NumberValue) || n.NumberValue < 1 || n.NumberValue > math.MaxUint32 {
			bad = append(bad, fault.Field{Name: monitorIDField(i), Message: "must be the identifier of a monitor"})
			continue
		}
		ids = append(ids, uint32(n.NumberValue))
	}
	slices.Sort(ids)
	return slices.Compact(ids), bad
}

func monitorIDField(i int) string { return fmt.Sprintf("monitor_ids[%d]", i) }

// maxAsked bounds how many monitors that the catalog does not know are asked for in one request.
const maxAsked = 20

// checkMonitors refuses monitors that the caller's organization does not have. It runs before the transaction, since it
// may have to ask the monitors service.
func (s *Service) checkMonitors(ctx context.Context, in *alertsv1.Channel, given map[string]bool) error {
	ids, bad := monitorIDsFrom(in.GetMonitorIds())
	if !given["monitor_ids"] || len(ids) == 0 || len(bad) > 0 {
		return nil // what is malformed is reported with the other fields
	}
	missing, err := s.missingMonitors(ctx, ids)
	if err != nil {
		return err
	}
	for i, v := range in.GetMonitorIds().GetValues() {
		if missing[uint32(v.GetNumberValue())] {
			bad = append(bad, fault.Field{Name: monitorIDField(i), Message: "is not a monitor of this organization"})
		}
	}
	if len(bad) > 0 {
		return fault.Invalid("", bad...)
	}
	return nil
}

// missingMonitors are those of the ids that are no monitors of the caller's organization.
func (s *Service) missingMonitors(ctx context.Context, ids []uint32) (map[uint32]bool, error) {
	missing := map[uint32]bool{}
	if len(ids) == 0 {
		return missing, nil
	}
	unknown, err := s.store.UnknownMonitors(ctx, caller(ctx).OrganizationID, ids)
	if err != nil {
		return nil, err
	}
	for i, id := range unknown {
		if i < maxAsked {
			if _, err = s.liveMonitor(ctx, id); err == nil {
				continue
			}
			if !fault.Is(err, fault.KindNotFound) {
				return nil, err
			}
		}
		missing[id] = true
	}
	return missing, nil
}

// DeleteChannel implements alertsv1.ChannelsServiceServer.
func (s *channelsServer) DeleteChannel(ctx context.Context, in *alertsv1.DeleteChannelRequest) (*emptypb.Empty, error) {
	dropped, err := s.store.DeleteChannel(ctx, caller(ctx).OrganizationID, in.GetId(), func(c Channel) (audit.Row, error) {
		return audit.New(ctx, "channel.delete", "channel", number(c.ID)).Change(channelProto(c, nil), nil)
	})
	if err != nil {
		return nil, err
	}
	s.reportDropped(ctx, Target{TargetChannel, in.GetId()}, dropped)
	answerCode(ctx, httpNoContent)
	return &emptypb.Empty{}, nil
}

// TestChannel implements alertsv1.ChannelsServiceServer.
func (s *channelsServer) TestChannel(ctx context.Context, in *alertsv1.TestChannelRequest) (*alertsv1.TestDelivery, error) {
	c, err := s.store.Channel(ctx, caller(ctx).OrganizationID, in.GetId())
	if err != nil {
		return nil, err
	}
	return s.sendTest(ctx, c.target(), c.Type, c.Config, Monitor{OrganizationID: c.OrganizationID})
}

package alerts

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"google.golang.org/protobuf/types/known/emptypb"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/fault"
)

type groupsServer struct {
	alertsv1.UnsafeGroupsServiceServer
	*Service
}

var _ alertsv1.GroupsServiceServer = (*groupsServer)(nil)

// ListGroups implements alertsv1.GroupsServiceServer.
func (s *groupsServer) ListGroups(ctx context.Context, _ *alertsv1.ListGroupsRequest) (*alertsv1.ListGroupsResponse, error) {
	groups, err := s.store.Groups(ctx, caller(ctx).OrganizationID)
	if err != nil {
		return nil, err
	}
	out := &alertsv1.ListGroupsResponse{}
	for _, g := range groups {
		out.Groups = append(out.Groups, groupViewProto(g))
	}
	return out, nil
}

// GetGroup implements alertsv1.GroupsServiceServer.
func (s *groupsServer) GetGroup(ctx context.Context, in *alertsv1.GetGroupRequest) (*alertsv1.Group, error) {
	g, err := s.store.Group(ctx, caller(ctx).OrganizationID, in.GetId())
	if err != nil {
		return nil, err
	}
	return groupViewProto(g), nil
}

// CreateGroup implements alertsv1.GroupsServiceServer.
func (s *groupsServer) CreateGroup(ctx context.Context, in *alertsv1.CreateGroupRequest) (*alertsv1.Group, error) {
	at := now()
	g := Group{OrganizationID: caller(ctx).OrganizationID, Rule: GroupRule{Kind: RuleAny}, Level: LevelBoth, CreatedAt: at, UpdatedAt: at}
	missing, err := s.missingMembers(ctx, in.GetGroup().GetMonitorIds(), nil)
	if err != nil {
		return nil, err
	}
	all := map[string]bool{"name": true, "description": true, "monitor_ids": true, "labels": true, "rule": true, "alert_level": true}
	if err := applyGroup(&g, in.GetGroup(), all, missing); err != nil {
		return nil, err
	}
	v, err := s.store.CreateGroup(ctx, g, at, func(g Group) (audit.Row, error) {
		return audit.New(ctx, "group.create", "group", number(g.ID)).Change(nil, groupProto(g))
	})
	if err != nil {
		return nil, err
	}
	s.courier.nudge()
	answerCode(ctx, httpCreated)
	return groupViewProto(v), nil
}

// UpdateGroup implements alertsv1.GroupsServiceServer.
func (s *groupsServer) UpdateGroup(ctx context.Context, in *alertsv1.UpdateGroupRequest) (*alertsv1.Group, error) {
	given, err := fieldsGiven(in.GetGroup(), in.GetUpdateMask())
	if err != nil {
		return nil, err
	}
	organization, at := caller(ctx).OrganizationID, now()
	old, err := s.store.Group(ctx, organization, in.GetId())
	if err != nil {
		return nil, err
	}
	// Which monitors there are is asked before the transaction; those that were accepted before may have been deleted since.
	missing, err := s.missingMembers(ctx, in.GetGroup().GetMonitorIds(), old.Target.MonitorIDs)
	if err != nil {
		return nil, err
	}
	v, err := s.store.UpdateGroup(ctx, organization, in.GetId(), at, func(g *Group) (audit.Row, error) {
		before := groupProto(*g)
		if err := applyGroup(g, in.GetGroup(), given, missing); err != nil {
			return audit.Row{}, err
		}
		g.UpdatedAt = at
		return audit.New(ctx, "group.update", "group", number(g.ID)).Change(before, groupProto(*g))
	})
	if err != nil {
		return nil, err
	}
	s.courier.nudge()
	return groupViewProto(v), nil
}

// DeleteGroup implements alertsv1.GroupsServiceServer.
func (s *groupsServer) DeleteGroup(ctx context.Context, in *alertsv1.DeleteGroupRequest) (*emptypb.Empty, error) {
	err := s.store.DeleteGroup(ctx, caller(ctx).OrganizationID, in.GetId(), now(), func(g Group) (audit.Row, error) {
		return audit.New(ctx, "group.delete", "group", number(g.ID)).Change(groupProto(g), nil)
	})
	if err != nil {
		return nil, err
	}
	answerCode(ctx, httpNoContent)
	return &emptypb.Empty{}, nil
}

// missingMembers are those of the ids that are no monitors of the caller's organization, but for those that are known.
func (s *Service) missingMembers(ctx context.Context, ids, known []uint32) (map[uint32]bool, error) {
	asked := slices.DeleteFunc(slices.Clone(ids), func(id uint32) bool { return slices.Contains(known, id) })
	return s.missingMonitors(ctx, asked)
}

// labelForm is a label, or a key alone, that a monitor can have.
var labelForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_./-]{0,61}[A-Za-z0-9])?(=|$)`)

// applyGroup lays the given fields of in over g; missing are the monitors that there are not.
func applyGroup(g *Group, in *alertsv1.Group, given map[string]bool, missing map[uint32]bool) error {
	var bad []fault.Field
	note := func(name, message string) { bad = append(bad, fault.Field{Name: name, Message: message}) }
	if given["name"] {
		if g.Name = strings.TrimSpace(in.GetName()); g.Name == "" {
			note("name", "is required")
		}
	}
	if given["description"] {
		g.Description = in.GetDescription()
	}
	if given["monitor_ids"] {
		for i, id := range in.GetMonitorIds() {
			if missing[id] {
				note(monitorIDField(i), number(id)+" is not a monitor of this organization")
			}
		}
		g.Target.MonitorIDs = slices.Sorted(slices.Values(in.GetMonitorIds()))
	}
	if given["labels"] {
		for i, l := range in.GetLabels() {
			if !labelForm.MatchString(l) || strings.ContainsFunc(l, unicode.IsControl) {
				note(fmt.Sprintf("labels[%d]", i), fmt.Sprintf("%q must be key=value, or a key alone", l))
			}
		}
		g.Target.Labels = slices.Clone(in.GetLabels())
	}
	if len(g.Target.MonitorIDs) == 0 && len(g.Target.Labels) == 0 {
		note("monitor_ids", "must name a monitor, or labels must name a label")
	}
	if given["rule"] {
		rule, wrong := groupRuleFrom(in.GetRule())
		g.Rule, bad = rule, append(bad, wrong...)
	}
	bad = append(bad, g.Rule.check(len(g.Target.MonitorIDs), len(g.Target.Labels) > 0)...)
	if given["alert_level"] {
		g.Level = groupLevelFrom(in.AlertLevel)
	}
	if len(bad) > 0 {
		return fault.Invalid("", bad...)
	}
	return nil
}

var groupRuleKinds = map[GroupRuleKind]alertsv1.GroupRuleType{
	RuleAny:     alertsv1.GroupRuleType_GROUP_RULE_TYPE_ANY,
	RuleAll:     alertsv1.GroupRuleType_GROUP_RULE_TYPE_ALL,
	RuleCount:   alertsv1.GroupRuleType_GROUP_RULE_TYPE_COUNT,
	RulePercent: alertsv1.GroupRuleType_GROUP_RULE_TYPE_PERCENT,
}

// groupRuleFrom reads a rule; the schema has refused what is none.
func groupRuleFrom(in *alertsv1.GroupRule) (r GroupRule, bad []fault.Field) {
	if in == nil {
		return GroupRule{Kind: RuleAny}, nil
	}
	for k, p := range groupRuleKinds {
		if p == in.GetType() {
			r.Kind = k
		}
	}
	for _, value := range []struct {
		of    GroupRuleKind
		given *uint32
	}{{RuleCount, in.Count}, {RulePercent, in.Percent}} {
		switch {
		case value.given == nil:
		case value.of == r.Kind:
			r.Value = int(*value.given)
		default:
			bad = append(bad, fault.Field{
				Name: "rule." + string(value.of), Message: fmt.Sprintf("is %d, but only rules of type %s have one; this is of type %s", *value.given, value.of, r.Kind),
			})
		}
	}
	return r, bad
}

var groupLevels = map[AlertLevel]alertsv1.GroupAlertLevel{
	LevelGroup:   alertsv1.GroupAlertLevel_GROUP_ALERT_LEVEL_GROUP,
	LevelMembers: alertsv1.GroupAlertLevel_GROUP_ALERT_LEVEL_MEMBERS,
	LevelBoth:    alertsv1.GroupAlertLevel_GROUP_ALERT_LEVEL_BOTH,
}

func groupLevelFrom(in *alertsv1.GroupAlertLevel) AlertLevel {
	for l, p := range groupLevels {
		if in != nil && *in == p {
			return l
		}
	}
	return LevelBoth
}

var groupStates = map[Status]alertsv1.GroupState{
	StatusUp:       alertsv1.GroupState_GROUP_STATE_UP,
	StatusDegraded: alertsv1.GroupState_GROUP_STATE_DEGRADED,
	StatusDown:     alertsv1.GroupState_GROUP_STATE_DOWN,
	StatusUnknown:  alertsv1.GroupState_GROUP_STATE_UNKNOWN,
	StatusPaused:   alertsv1.GroupState_GROUP_STATE_PAUSED,
}

// groupProto is what people say of a group.
func groupProto(g Group) *alertsv1.Group {
	out := &alertsv1.Group{
		Id: g.ID, OrganizationId: g.OrganizationID, Name: &g.Name, Description: &g.Description, MonitorIds: g.Target.MonitorIDs,
		Labels: g.Target.Labels, Rule: &alertsv1.GroupRule{Type: groupRuleKinds[g.Rule.Kind]}, AlertLevel: some(groupLevels[g.Level]),
		CreatedAt: stamp(g.CreatedAt), UpdatedAt: stamp(g.UpdatedAt),
	}
	switch value := uint32(g.Rule.Value); g.Rule.Kind {
	case RuleCount:
		out.Rule.Count = &value
	case RulePercent:
		out.Rule.Percent = &value
	}
	return out
}

// listedFailing is how many failing members a group names.
const listedFailing = 100

// groupViewProto is a group with what it is.
func groupViewProto(g GroupView) *alertsv1.Group {
	out, t := groupProto(g.Group), g.Tally()
	out.State, out.Since = groupStates[g.State.Status], stamp(g.State.Since)
	out.Counts = &alertsv1.GroupCounts{
		Total: uint32(t.Total), Up: uint32(t.Up), Degraded: uint32(t.Degraded), Down: uint32(t.Down), Unknown: uint32(t.Unknown),
		Paused: uint32(t.Paused), Maintenance: uint32(t.Maintenance),
	}
	for i, m := range g.failing() {
		if i == listedFailing {
			break
		}
		var since time.Time
		if m.Status == StatusDown {
			since = m.Since
		}
		out.FailingMembers = append(out.FailingMembers, &alertsv1.GroupMember{MonitorId: m.ID, Name: m.Name, State: groupStates[m.Status], Since: stamp(since)})
	}
	return out
}

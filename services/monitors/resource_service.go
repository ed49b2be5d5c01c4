package monitors

import (
	"context"

	"google.golang.org/protobuf/proto"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/services/monitors/resource"
)

// ParseResources reads resources with the parser that validate and run read files with.
func (s *Service) ParseResources(ctx context.Context, req *monitorsv1.ParseResourcesRequest) (*monitorsv1.ParseResourcesResponse, error) {
	known, err := s.knownRegions(ctx)
	if err != nil {
		return nil, err
	}
	set := resource.Parse([]resource.Source{{Name: "text", Data: []byte(req.GetText())}}, resource.Options{})
	resp := &monitorsv1.ParseResourcesResponse{}
	for _, c := range set.Checks {
		monitor, notes := monitorOfResource(c, known)
		resp.Resources = append(resp.Resources, &monitorsv1.ParsedResource{Kind: c.Kind, Name: c.Name, Line: int32(c.Pos.Line), Monitor: monitor, Notes: notes})
	}
	for _, p := range set.Problems {
		resp.Problems = append(resp.Problems, problemToProto(p))
	}
	return resp, nil
}

func problemToProto(p resource.Problem) *monitorsv1.ResourceProblem {
	out := &monitorsv1.ResourceProblem{
		Line: int32(p.Line), Column: int32(p.Column), Path: p.Path, Rule: p.Rule, Message: p.Message, Warning: p.Warning,
	}
	if p.Value != "" && !p.Secret {
		out.Value = proto.String(p.Value)
	}
	if p.Hint != "" {
		out.Hint = proto.String(p.Hint)
	}
	return out
}

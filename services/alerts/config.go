package alerts

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/secret"
	"github.com/frogstats/uptime/services/alerts/notify"
)

// place is what a sealed configuration is bound to: in another row, or another organization's, it does not open.
func place(organization string, t Target) []byte {
	return secret.AAD(serviceName, organization, string(t.Kind), number(t.ID))
}

// sealed is what the sealed half of a configuration holds. The public half is in it too, and this copy is the one that is
// used: whoever can write the database cannot send a secret, or a signed message, to an address of their own.
type sealed struct {
	Public json.RawMessage `json:"public"`
	Secret json.RawMessage `json:"secret"`
}

func (s *Service) seal(organization string, t Target, set Settings) (Config, error) {
	plain, err := json.Marshal(sealed(set))
	if err != nil {
		return Config{}, fmt.Errorf("seal configuration: %w", err)
	}
	box, err := s.box.Seal(plain, place(organization, t))
	if err != nil {
		return Config{}, fmt.Errorf("seal configuration: %w", err)
	}
	return Config{Public: set.Public, Sealed: box}, nil
}

func (s *Service) open(organization string, t Target, c Config) (Settings, error) {
	plain, err := s.box.Open(c.Sealed, place(organization, t))
	if err != nil {
		return Settings{}, fmt.Errorf("open configuration: %w", err)
	}
	var in sealed
	if err := json.Unmarshal(plain, &in); err != nil {
		return Settings{}, errors.New("open configuration: malformed") // the decoder's error might quote it
	}
	return Settings(in), nil
}

// oldSettings are the stored settings, as the ground for a change. If they do not open, because the key is gone, there are
// none, and everything has to be given anew: that is the way out for whoever lost a key.
func (s *Service) oldSettings(organization string, t Target, c Config) Settings {
	old, err := s.open(organization, t, c)
	if err != nil {
		s.log.Warn("stored configuration does not open",
			"target_kind", string(t.Kind), "target_id", t.ID, "error", err.Error())
	}
	return old
}

// shown is the readable form of a configuration, and what was just made beside it.
func shown(via string, c Config, made map[string]any) *structpb.Struct {
	values := map[string]any{}
	if n, ok := notify.All[via]; ok {
		values = n.Show(c.Public)
	}
	maps.Copy(values, made)
	out, err := structpb.NewStruct(values)
	if err != nil { // a notifier that shows something else than JSON; its own test would have found it
		return &structpb.Struct{}
	}
	return out
}

// configChange is what a request says about a target's type and configuration.
type configChange struct {
	ways                   ways
	via                    string // the type that the target will have
	old                    Settings
	given                  *structpb.Struct
	change                 bool // whether the configuration is to change at all
	typeField, configField string
}

// applyConfig returns the new settings, what had to be made for them, and what is wrong. Without a change the settings are
// empty.
func applyConfig(c configChange) (Settings, map[string]any, []fault.Field) {
	if c.via == "" {
		return Settings{}, nil, []fault.Field{{Name: c.typeField, Message: "is required"}}
	}
	if _, known := notify.All[c.via]; known && !c.change { // also if it has been switched off since
		return Settings{}, nil, nil
	}
	n, bad := c.ways.find(c.via, c.typeField)
	if bad != nil {
		return Settings{}, nil, bad
	}
	next, made, bad := n.Merge(c.old, c.given.AsMap())
	for i := range bad {
		bad[i].Name = c.configField + "." + bad[i].Name
	}
	return next, made, bad
}

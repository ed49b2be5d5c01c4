package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/services/gateway/badge"
	"github.com/frogstats/uptime/services/gateway/wire"
)

const (
	badgeMaxAge     = 60 * time.Second // for browsers and the caches between
	badgeKept       = 15 * time.Second // here: a page that many look at asks the services as often as one that few do
	badgeCacheSize  = 4096
	maxBadgeDays    = 366
	defaultDays     = 30
	wholeEnough     = 99.95 // percent observed of which nothing more is said
	defaultMeanDays = 1
	hoursOfDay      = 24
	badgePrincipal  = "badge"
)

// badgeToken is what tokens look like; nobody is asked about anything else.
var badgeToken = regexp.MustCompile(`^[A-Za-z0-9_-]{24}$`)

// badges draws the badges of monitors.
type badges struct {
	g        *Gateway
	tokens   monitorsv1.BadgesServiceClient
	monitors monitorsv1.MonitorsServiceClient
	events   eventsv1.EventsServiceClient

	mu   sync.Mutex
	held map[badgeRequest]keptBadge
}

// badgeRequest is what a badge is drawn for.
type badgeRequest struct {
	token, what string
	days        int
}

type keptBadge struct {
	badge.Badge
	until time.Time
}

func newBadges(g *Gateway) *badges {
	return &badges{
		g: g, tokens: monitorsv1.NewBadgesServiceClient(g.cfg.Conns["monitors"]), monitors: monitorsv1.NewMonitorsServiceClient(g.cfg.Conns["monitors"]),
		events: eventsv1.NewEventsServiceClient(g.cfg.Conns["events"]),
	}
}

// serve answers GET /api/uptime/badges/{token}/{file}: status, uptime or response, as .svg or as .json.
func (b *badges) serve(w http.ResponseWriter, r *http.Request) {
	params := requestOf(r.Context()).params
	what, form, _ := strings.Cut(params["file"], ".")
	if !badgeToken.MatchString(params["token"]) || (what != "status" && what != "uptime" && what != "response") || (form != "svg" && form != "json") {
		b.g.refuse(w, r, http.StatusNotFound, codes.NotFound, "no such badge")
		return
	}
	q, style, e := readBadgeQuery(r, what)
	if e != nil {
		b.g.refuseInput(w, r, e)
		return
	}
	q.token = params["token"]
	drawn, err := b.find(r.Context(), q)
	switch fault.KindOf(err) {
	case fault.KindNotFound:
		b.g.refuse(w, r, http.StatusNotFound, codes.NotFound, "no such badge")
		return
	default:
		if err != nil {
			b.g.fail(w, r, err)
			return
		}
	}
	answerBadge(w, r, drawn, form, style)
}

// readBadgeQuery reads the parameters: days, and for pictures style.
func readBadgeQuery(r *http.Request, what string) (q badgeRequest, style badge.Style, e *wire.Error) {
	form, e := parseForm(r.URL)
	if e != nil {
		return q, style, e
	}
	for name, values := range form {
		switch {
		case name != "days" && name != "style":
			return q, style, &wire.Error{Path: name, Message: "is not a parameter of badges: they have days and style"}
		case len(values) > 1:
			return q, style, &wire.Error{Path: name, Message: "must be given once"}
		}
	}
	if style = badge.Style(form.Get("style")); style == "" {
		style = badge.Flat
	}
	if !style.Valid() {
		return q, style, &wire.Error{Path: "style", Message: `must be "flat" or "flat-square"`}
	}
	q.what, q.days = what, defaultDays
	if what == "response" {
		q.days = defaultMeanDays
	}
	if form.Has("days") {
		days, err := strconv.Atoi(form.Get("days"))
		if err != nil || days < 1 || days > maxBadgeDays {
			return q, style, &wire.Error{Path: "days", Message: fmt.Sprintf("must be between 1 and %d", maxBadgeDays)}
		}
		q.days = days
	}
	if what == "status" {
		q.days = 0 // the present has none
	}
	return q, style, nil
}

func answerBadge(w http.ResponseWriter, r *http.Request, drawn badge.Badge, form string, style badge.Style) {
	body, kind := drawn.SVG(style), "image/svg+xml"
	if form == "json" {
		kind = "application/json"
		body, _ = json.Marshal(struct { // the shape that shields.io reads; it always encodes
			SchemaVersion int    `json:"schemaVersion"`
			Label         string `json:"label"`
			Message       string `json:"message"`
			Color         string `json:"color"`
			CacheSeconds  int    `json:"cacheSeconds"`
		}{1, drawn.Label, drawn.Message, drawn.Tone.Color(), int(badgeMaxAge / time.Second)})
	}
	sum := sha256.Sum256(body)
	a := &asset{body: body, kind: kind, tag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`, maxAge: badgeMaxAge}
	h := w.Header()
	// A badge stands in other people's pages: that is what it is for.
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Access-Control-Allow-Origin", "*")
	a.serve(w, r)
}

// find draws a badge, or returns the one that was drawn a moment ago.
func (b *badges) find(ctx context.Context, q badgeRequest) (badge.Badge, error) {
	b.mu.Lock()
	kept, ok := b.held[q]
	b.mu.Unlock()
	if ok && time.Now().Before(kept.until) {
		return kept.Badge, nil
	}
	drawn, err := b.draw(ctx, q)
	if err != nil {
		return badge.Badge{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.held) >= badgeCacheSize || b.held == nil {
		b.held = map[badgeRequest]keptBadge{}
	}
	b.held[q] = keptBadge{drawn, time.Now().Add(badgeKept)}
	return drawn, nil
}

// draw asks the services as a viewer of the monitor's organization would; so a badge says what the pages say.
func (b *badges) draw(ctx context.Context, q badgeRequest) (badge.Badge, error) {
	ip := requestOf(ctx).client.ip
	edge := identity.NewContext(ctx, identity.Principal{Kind: identity.KindService, Name: "gateway", RemoteIP: ip})
	of, err := b.tokens.ResolveBadge(edge, &monitorsv1.ResolveBadgeRequest{Token: q.token})
	if err != nil {
		return badge.Badge{}, fmt.Errorf("resolve badge: %w", err)
	}
	ctx = identity.NewContext(ctx, identity.Principal{
		Kind: identity.KindAPIKey, KeyID: badgePrincipal, Name: badgePrincipal, OrganizationID: of.GetOrganizationId(), Role: identity.RoleViewer, RemoteIP: ip,
	})
	switch q.what {
	case "uptime":
		return b.drawUptime(ctx, of.GetMonitorId(), q.days)
	case "response":
		return b.drawResponse(ctx, of.GetMonitorId(), q.days)
	}
	m, err := b.monitors.GetMonitor(ctx, &monitorsv1.GetMonitorRequest{Id: of.GetMonitorId()})
	if err != nil {
		return badge.Badge{}, fmt.Errorf("badge of a monitor: %w", err)
	}
	return statusBadge(m), nil
}

func statusBadge(m *monitorsv1.Monitor) badge.Badge {
	out := badge.Badge{Label: m.GetName(), Message: "unknown", Tone: badge.Unknown}
	switch m.GetStatus().GetCurrentStatus() {
	case eventsv1.CurrentStatus_CURRENT_STATUS_UP:
		out.Message, out.Tone = "up", badge.Good
	case eventsv1.CurrentStatus_CURRENT_STATUS_DEGRADED:
		out.Message, out.Tone = "degraded", badge.Fair
	case eventsv1.CurrentStatus_CURRENT_STATUS_DOWN:
		out.Message, out.Tone = "down", badge.Bad
	case eventsv1.CurrentStatus_CURRENT_STATUS_PAUSED:
		out.Message = "paused"
	case eventsv1.CurrentStatus_CURRENT_STATUS_MAINTENANCE:
		out.Message, out.Tone = "maintenance", badge.Planned
	}
	return out
}

func (b *badges) drawUptime(ctx context.Context, monitor uint32, days int) (badge.Badge, error) {
	from := time.Now().UTC().Add(-time.Duration(days) * hoursOfDay * time.Hour).Format(time.RFC3339)
	u, err := b.events.GetUptime(ctx, &eventsv1.GetUptimeRequest{MonitorId: monitor, StartDate: &from})
	if err != nil {
		return badge.Badge{}, fmt.Errorf("badge of uptime: %w", err)
	}
	out := badge.Badge{Label: fmt.Sprintf("uptime %d d", days), Message: "unknown", Tone: badge.Unknown}
	if u.UptimePercentage == nil {
		return out, nil
	}
	out.Message, out.Tone = percentText(u.GetUptimePercentage()), badge.Good
	switch p := u.GetUptimePercentage(); {
	case p < 99:
		out.Tone = badge.Bad
	case p < 100:
		out.Tone = badge.Fair
	}
	// A hundred percent of little is not a hundred percent.
	if u.GetCoveragePercentage() < wholeEnough {
		out.Message += ", " + percentText(u.GetCoveragePercentage()) + " observed"
	}
	return out, nil
}

func (b *badges) drawResponse(ctx context.Context, monitor uint32, days int) (badge.Badge, error) {
	hours := int32(days * hoursOfDay)
	bucket := eventsv1.Bucket_BUCKET_DAY
	s, err := b.events.GetStats(ctx, &eventsv1.GetStatsRequest{MonitorId: monitor, Hours: &hours, Bucket: &bucket})
	if err != nil {
		return badge.Badge{}, fmt.Errorf("badge of response time: %w", err)
	}
	out := badge.Badge{Label: fmt.Sprintf("response %d d", days), Message: "unknown", Tone: badge.Unknown}
	if avg := s.GetResponseTime().Avg; avg != nil {
		out.Message, out.Tone = millisText(*avg), badge.Neutral
	}
	return out, nil
}

// percentText cuts off and never rounds up: 99.997 is no 100.
func percentText(p float64) string {
	return strconv.FormatFloat(math.Floor(p*100)/100, 'f', -1, 64) + " %"
}

func millisText(ms float64) string {
	switch {
	case ms < 10:
		return strconv.FormatFloat(ms, 'f', 1, 64) + " ms"
	case ms < 10_000:
		return strconv.FormatFloat(ms, 'f', 0, 64) + " ms"
	}
	return strconv.FormatFloat(ms/1000, 'f', 1, 64) + " s"
}

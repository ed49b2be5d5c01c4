package notify

import (
	"encoding/json"
	"fmt"
)

// story is the body of a message, as services/alerts/WEBHOOKS.md describes it, for formats that are made of it.
type story struct {
	Type      string    `json:"type"`
	ID        string    `json:"id"`
	Timestamp string    `json:"timestamp"`
	Data      storyData `json:"data"`
}

type storyData struct {
	OrganizationID string        `json:"organization_id"`
	Monitor        storyMonitor  `json:"monitor"`
	Incident       storyIncident `json:"incident"`
	Alert          storyAlert    `json:"alert"`
	Group          storyGroup    `json:"group"`
	Notice         storyNotice   `json:"notice"`
	Status         string        `json:"status"`
	PreviousStatus string        `json:"previous_status"`
	Since          string        `json:"since"`
	ErrorType      string        `json:"error_type"`
	ErrorMessage   string        `json:"error_message"`
	Regions        []string      `json:"regions"`
	DelayedMS      int64         `json:"delayed_ms"`
	Supersedes     []string      `json:"supersedes"`
}

type storyMonitor struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
	URL  string `json:"url"`
}

type storyGroup struct {
	ID      int64  `json:"id"`
	Name    string `json:"name"`
	Members struct {
		Total   int64 `json:"total"`
		Counted int64 `json:"counted"`
		Down    int64 `json:"down"`
	} `json:"members"`
	Failing   []storyMember `json:"failing"`
	StartedAt string        `json:"started_at"`
	EndedAt   string        `json:"ended_at"`
}

type storyMember struct {
	ID     int64  `json:"id"`
	Name   string `json:"name"`
	Status string `json:"status"`
	Since  string `json:"since"`
}

type storyIncident struct {
	ID              int64    `json:"id"`
	Status          string   `json:"status"`
	StartTime       string   `json:"start_time"`
	EndTime         string   `json:"end_time"`
	AffectedRegions []string `json:"affected_regions"`
	FailureCount    int64    `json:"failure_count"`
	LastErrorType   string   `json:"last_error_type"`
	LastError       string   `json:"last_error"`
}

type storyAlert struct {
	ID          int64          `json:"id"`
	HistoryID   int64          `json:"history_id"`
	TriggeredAt string         `json:"triggered_at"`
	ResolvedAt  string         `json:"resolved_at"`
	Data        storyCondition `json:"data"`
}

type storyCondition struct {
	Condition           string   `json:"condition"`
	Value               float64  `json:"value"`
	Threshold           float64  `json:"threshold"`
	Region              string   `json:"region"`
	ConsecutiveFailures int64    `json:"consecutive_failures"`
	ResponseTimeMS      *float64 `json:"response_time_ms"`
	StatusCode          *int64   `json:"status_code"`
}

type storyNotice struct {
	ID        int64  `json:"id"`
	Key       string `json:"key"`
	Kind      string `json:"kind"`
	Subject   string `json:"subject"`
	Summary   string `json:"summary"`
	Message   string `json:"message"`
	StartedAt string `json:"started_at"`
	EndedAt   string `json:"ended_at"`
}

// story reads the body.
func (p Parcel) story() (story, error) {
	var s story
	if err := json.Unmarshal(p.Body, &s); err != nil {
		return story{}, fmt.Errorf("body of a message: %w", err)
	}
	return s, nil
}

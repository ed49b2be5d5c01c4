package resource

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Spellings that other documents and programs use for what the schema calls otherwise, by place.
var (
	fieldWords = map[string]map[string]string{
		"": {"api_version": "apiVersion", "version": "apiVersion", "type": "kind", "meta": "metadata", "config": "spec"},
		"metadata": {
			"id": "name", "description": "title", "displayName": "title", "label": "labels", "tags": "labels", "annotations": "labels",
		},
		"spec": {
			"every": "interval", "frequency": "interval", "period": "interval", "schedule": "cron", "assertions": "checks",
			"attempts": "retries", "retry": "retries", "regions": "locations", "location": "locations", "notifications": "channels",
			"alerts": "channels", "channel": "channels", "tz": "timezone", "startTLS": "starttls",
		},
		KindTCP:     {"hostname": "host", "address": "host", "ip": "host"},
		KindHTTP:    {"uri": "url", "endpoint": "url", "host": "url", "verb": "method", "data": "body", "payload": "body"},
		KindTLS:     {"host": "hostname", "domain": "hostname", "ca": "trustedCAs", "cas": "trustedCAs", "insecure": "insecureSkipVerify", "skipVerify": "insecureSkipVerify"},
		"assertion": {"op": "operator", "comparison": "operator", "expected": "value", "target": "value", "key": "name", "header": "name"},
		"channel":   {"name": "channel", "id": "channel", "level": "severity", "priority": "severity"},
	}
	assertionWords = map[string]map[string]string{
		KindTCP: {"connect": "reachable", "connection": "reachable", "responseTime": "latency", "duration": "latency", "tls": "sslHandshake", "ssl": "sslHandshake", "tlsHandshake": "sslHandshake"},
		KindHTTP: {
			"responseTime": "duration", "latency": "duration", "status": "statusCode", "code": "statusCode", "headers": "header",
			"responseBody": "body", "responseSize": "size", "bodySize": "size", "timeToFirstByte": "ttfb",
		},
		KindTLS: {
			"validUntil": "expirationTime", "expiry": "expirationTime", "expires": "expirationTime", "expiration": "expirationTime",
			"issuer": "certificateIssuer", "subject": "certificateSubject", "validity": "valid",
		},
	}
	operatorWords = map[string]string{
		"=": "equals", "==": "equals", "eq": "equals", "equal": "equals", "!=": "notEquals", "ne": "notEquals", "neq": "notEquals",
		"<": "lessThan", "lt": "lessThan", "less": "lessThan", ">": "greaterThan", "gt": "greaterThan", "greater": "greaterThan",
		"<=": "lessThanOrEquals", "le": "lessThanOrEquals", "lte": "lessThanOrEquals",
		">=": "greaterThanOrEquals", "ge": "greaterThanOrEquals", "gte": "greaterThanOrEquals",
		"=~": "matches", "regex": "matches", "match": "matches", "includes": "contains", "excludes": "notContains",
	}
)

// meantWord guesses which of the known words is meant; empty if none is near.
func meantWord(word string, known []string, words ...map[string]string) string {
	for _, table := range words {
		for w, meant := range table {
			if plain(w) == plain(word) && slices.Contains(known, meant) {
				return meant
			}
		}
	}
	best, distance := "", max(1, len(word)/3)+1
	for _, k := range known {
		if plain(k) == plain(word) {
			return k
		}
		if len(word) > 64 {
			continue
		}
		if d := editDistance(strings.ToLower(word), strings.ToLower(k)); d < distance {
			best, distance = k, d
		}
	}
	return best
}

// plain is a word without what spellings differ in: case, hyphens and underscores.
func plain(word string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == ' ' {
			return -1
		}
		return unicode.ToLower(r)
	}, word)
}

// editDistance is Levenshtein's: how many letters must be put in, taken out or changed.
func editDistance(a, b string) int {
	x, y := []rune(a), []rune(b)
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i, r := range x {
		diagonal := row[0]
		row[0] = i + 1
		for j, s := range y {
			cost := diagonal
			if r != s {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(y)]
}

// clip keeps what problems show short.
func clip(s string) string {
	const most = 80
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	return string(runes[:most]) + "…"
}

// oneOf lists words for a sentence.
func oneOf(words []string) string {
	switch len(words) {
	case 0:
		return ""
	case 1:
		return words[0]
	}
	return fmt.Sprintf("one of %s or %s", strings.Join(words[:len(words)-1], ", "), words[len(words)-1])
}

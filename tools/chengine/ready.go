//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// errTaken reports that another process has the port. The engine says so on standard error, but does not end.
var errTaken = errors.New("taken by another process")

// awaitReady returns the engine's version once it serves both protocols, and makes the database that was asked for.
func awaitReady(o options, tcp, web address) (string, error) {
	deadline := time.Now().Add(o.startTimeout)
	for _, a := range []address{tcp, web} {
		for !reachable(a) {
			if time.Now().After(deadline) {
				return "", fmt.Errorf("the engine does not listen on %s within %s", a, o.startTimeout)
			}
			<-time.After(5 * time.Millisecond)
		}
		if !ownsListener(a.port) {
			return "", fmt.Errorf("%s is %w", a, errTaken)
		}
	}
	client := &http.Client{Timeout: max(time.Until(deadline), time.Second), Transport: &http.Transport{DisableKeepAlives: true}}
	url := "http://" + web.dial().String() + "/"
	if o.users != "" && o.database == "" {
		return "unknown", nil // perhaps nobody is let in whom we know
	}
	version, err := query(client, url, o, "SELECT version()")
	if err != nil {
		return "", err
	}
	if o.database != "" {
		name := strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(o.database)
		if _, err := query(client, url, o, "CREATE DATABASE IF NOT EXISTS `"+name+"` ENGINE = Atomic"); err != nil {
			return "", fmt.Errorf("make database %s: %w", o.database, err)
		}
	}
	return version, nil
}

func reachable(a address) bool {
	c, err := net.DialTimeout("tcp", a.dial().String(), time.Second)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

func query(client *http.Client, url string, o options, sql string) (string, error) {
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(sql))
	if err != nil {
		return "", err
	}
	req.SetBasicAuth(o.user, o.password)
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	return strings.TrimSpace(string(body)), nil
}

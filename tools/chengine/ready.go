//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// awaitReady returns the engine's version once it answers, and makes the database that was asked for. HTTP is the
// listener that it opens last.
func awaitReady(o options, at address) (string, error) {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	defer client.CloseIdleConnections()
	deadline := time.Now().Add(o.startTimeout)
	url := "http://" + at.dial().String() + "/"
	for {
		err := ping(client, url)
		if err == nil {
			if ownsListener(at.port) {
				break
			}
			err = fmt.Errorf("another process answers on %s", at) // the engine will say so too, and stop
		}
		if time.Now().After(deadline) {
			return "", fmt.Errorf("the engine does not answer within %s: %w", o.startTimeout, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
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

func ping(client *http.Client, url string) error {
	resp, err := client.Get(url + "ping")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
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

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/frogstats/uptime/bench/control"
	"github.com/frogstats/uptime/bench/floor"
	"github.com/frogstats/uptime/bench/target"
)

func startCloudprober(binary string) func(context.Context, *lab, peer) ([]*control.Child, error) {
	return func(ctx context.Context, l *lab, p peer) ([]*control.Child, error) {
		const file = "cloudprober.cfg"
		return l.launch(ctx, file, cloudproberConfig(p, l.layoutOf(p.kind)), nil, binary, "--config_file", l.file(file))
	}
}

// cloudproberConfig has one probe with static targets, which have addresses, so that nothing is looked up.
func cloudproberConfig(p peer, at target.Layout) string {
	var b strings.Builder
	ms := p.interval.Milliseconds()
	fmt.Fprintf(&b, "host: \"127.0.0.1\"\nport: 9313\nprobe {\n  name: \"bench\"\n  type: %s\n  interval_msec: %d\n  timeout_msec: %d\n", strings.ToUpper(p.kind), ms, ms)
	fmt.Fprintf(&b, "  %s_probe { interval_between_targets_msec: 1 }\n  targets {\n", p.kind)
	for i := range p.targets {
		a := at.At(i)
		fmt.Fprintf(&b, "    endpoint { name: \"t%d\" ip: \"%v\" port: %d }\n", i, a.Addr(), a.Port())
	}
	b.WriteString("  }\n}\n")
	return b.String()
}

func startGatus(binary string) func(context.Context, *lab, peer) ([]*control.Child, error) {
	return func(ctx context.Context, l *lab, p peer) ([]*control.Child, error) {
		const file = "gatus.yaml"
		env := []string{"GATUS_CONFIG_PATH=" + l.file(file)}
		return l.launch(ctx, file, gatusConfig(p, l.layoutOf(p.kind)), env, binary)
	}
}

// gatusConfig lets as many checks run at once as the floors have in flight: three, the default, would idle.
func gatusConfig(p peer, at target.Layout) string {
	var b strings.Builder
	fmt.Fprintf(&b, "web: {address: 127.0.0.1, port: 9080}\nstorage: {type: memory}\nconcurrency: %d\nendpoints:\n", floor.InFlight)
	for i := range p.targets {
		fmt.Fprintf(&b, "  - {name: t%d, url: \"%s://%v\", interval: %v, conditions: [\"[CONNECTED] == true\"]}\n", i, p.kind, at.At(i), p.interval)
	}
	return b.String()
}

const (
	blackboxAddress = "127.0.0.1:9115"
	blackboxConfig  = "modules:\n  tcp_connect: {prober: tcp, timeout: 5s, tcp: {preferred_ip_protocol: ip4}}\n"
)

func startBlackbox(binary string) func(context.Context, *lab, peer) ([]*control.Child, error) {
	return func(ctx context.Context, l *lab, p peer) ([]*control.Child, error) {
		const file = "blackbox.yml"
		processes, err := l.launch(ctx, file, blackboxConfig, nil, binary,
			"--config.file="+l.file(file), "--web.listen-address="+blackboxAddress, "--log.level=error")
		if err != nil {
			return nil, err
		}
		driver, err := control.Start(ctx, control.Options{CPU: targetCPU, Stderr: &limited{left: 2000, w: io.Discard}}, l.self, scrapeCommand)
		if err != nil {
			return processes, err
		}
		return append(processes, driver), nil
	}
}

// scrape asks blackbox_exporter for probes until it is ended.
func scrape(ctx context.Context, arguments []string) error {
	if len(arguments) > 0 {
		return errors.New("scrape takes no arguments")
	}
	var next atomic.Int64
	at := target.For(10_000)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: floor.InFlight}}
	g, ctx := errgroup.WithContext(ctx)
	for range floor.InFlight {
		g.Go(func() error {
			for ctx.Err() == nil {
				url := fmt.Sprintf("http://%s/probe?module=tcp_connect&target=%v", blackboxAddress, at.At(int(next.Add(1))))
				// Until the exporter listens nothing answers; what matters is counted at the target.
				_ = fetch(ctx, client, url)
			}
			return nil
		})
	}
	return g.Wait()
}

func fetch(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return errors.Join(err, resp.Body.Close())
}

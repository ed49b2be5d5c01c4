package shoutrrr

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"

	"github.com/frogstats/uptime/internal/egress"
	"github.com/frogstats/uptime/services/alerts/notify"
)

// maxTold is how many bytes a process reads of what it is told.
const maxTold = 1 << 20

// Send is a process that was started to send: it reads one job from in, does it, and writes what came of it to out. From here on
// whatever the process asks over HTTP goes through the guard. An error means that there is nothing to read.
func Send(in io.Reader, out io.Writer) error {
	var j job
	if err := json.NewDecoder(io.LimitReader(in, maxTold)).Decode(&j); err != nil {
		return errors.New("no message was given") // the decoder's error might quote it
	}
	w := &watch{through: j.Egress.HTTPClient(egress.HTTPOptions{DialTimeout: longest}).Transport}
	http.DefaultTransport = w //nolint:forbidigo // the library's clients have no transport of their own, and so they get the guarded one
	if err := json.NewEncoder(out).Encode(w.outcome(j)); err != nil {
		return fmt.Errorf("write what became of the message: %w", err)
	}
	return nil
}

// outcome does the job, for as long as there is time.
func (w *watch) outcome(j job) notify.ShoutrrrOutcome {
	ended := make(chan error, 1)
	go func() { ended <- deliver(j.ShoutrrrJob) }()
	timer := time.NewTimer(time.Until(j.Until))
	defer timer.Stop()
	select {
	case err := <-ended:
		return w.told(err)
	case <-timer.C: // whatever it is at ends with the process
		return w.late()
	}
}

// Errors that stand for what cannot be known better.
var (
	errPanic = errors.New("the library failed")
	// errUnfit is of a URL that the service does not take; no receiver was asked.
	errUnfit = errors.New("the URL does not fit the service")
)

// deliver hands the message to the library. It panics when some requests fail, instead of saying so.
func deliver(j notify.ShoutrrrJob) (err error) {
	defer func() {
		if recover() != nil {
			err = errPanic
		}
	}()
	s, err := locate(j.URL)
	if err != nil {
		return err
	}
	return s.Send(j.Message, &types.Params{})
}

// locate is the library's own, with errors that say what is wrong.
func locate(address string) (types.Service, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errUnfit
	}
	name, _, custom := strings.Cut(u.Scheme, "+")
	if why, known := notify.ShoutrrrSchemes[name]; !known || why != "" { // the other side has looked; this one is the last
		return nil, errUnfit
	}
	s, err := (&router.ServiceRouter{}).NewService(name)
	if err != nil {
		return nil, errors.Join(errUnfit, err)
	}
	if custom {
		of, ok := s.(types.CustomURLService)
		if !ok {
			return nil, errors.Join(errUnfit, router.ErrCustomURLsNotSupported)
		}
		if u, err = of.GetConfigURLFromCustom(u); err != nil {
			return nil, errors.Join(errUnfit, err)
		}
	}
	if err := s.Initialize(u, nil); err != nil {
		return nil, fmt.Errorf("%w: %w", errUnfit, err)
	}
	return s, nil
}

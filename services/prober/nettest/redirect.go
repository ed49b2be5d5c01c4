package nettest

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
)

const (
	// maxURL bounds the URLs that redirects may lead to, in bytes.
	maxURL = 8 << 10
	// maxCookies bounds what one check keeps of cookies, in bytes.
	maxCookies = 16 << 10
)

func isRedirect(code int) bool {
	switch code {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// follow returns the hop that resp leads to from h.
func (r *httpRun) follow(h *hop, resp *response) (*hop, *failure) {
	broken := func(detail string) (*hop, *failure) {
		return nil, &failure{phase: PhaseRedirect, typ: ErrProtocol, detail: detail}
	}
	location := resp.get("Location")
	if location == "" {
		return broken(fmt.Sprintf("status %d without a Location", resp.code))
	}
	if len(location) > maxURL {
		return broken("its Location is longer than 8 KiB")
	}
	u, err := h.url.Parse(location)
	if err != nil {
		return broken("its Location is not a URL")
	}
	u.User = nil // not ours to send
	to, problem := targetOf(u)
	if problem != "" {
		return broken("its Location " + problem)
	}
	if u.Fragment == "" {
		u.Fragment, u.RawFragment = h.url.Fragment, h.url.RawFragment
	}
	if problem := checkFamily(to, r.own.IPVersion); problem != "" && r.proxy == nil {
		return broken("its Location has an address of the other family")
	}
	next := &hop{url: u, text: u.String(), to: to, method: h.method, body: h.body}
	if changesMethod(resp.code, h.method) {
		next.method, next.body = "GET", ""
	}
	if len(r.result.Redirects) >= r.own.maxRedirects() {
		return nil, &failure{phase: PhaseRedirect, typ: ErrRedirectLimit,
			detail: fmt.Sprintf("more than %d", r.own.maxRedirects())}
	}
	r.keepCookies(h.url, resp)
	if r.wasAt(h, next) {
		return nil, &failure{phase: PhaseRedirect, typ: ErrRedirectLimit, detail: "they lead in a circle"}
	}
	same := h.sameOrigin(next)
	r.trusted = r.trusted && same
	r.result.Redirects = append(r.result.Redirects, Redirect{
		StatusCode: resp.code, URL: next.text, CrossOrigin: !same,
		Downgraded: h.secure() && !next.secure(),
	})
	return next, nil
}

// changesMethod follows what all browsers do (Fetch standard, HTTP-redirect
// fetch): 303 turns everything but HEAD into GET, 301 and 302 only POST.
func changesMethod(code int, method string) bool {
	switch code {
	case http.StatusSeeOther:
		return method != "GET" && method != "HEAD"
	case http.StatusMovedPermanently, http.StatusFound:
		return method == "POST"
	}
	return false
}

// wasAt reports whether next was requested before in the same way. A page that
// sets a cookie and leads to itself is no circle the first time.
func (r *httpRun) wasAt(h, next *hop) bool {
	key := func(h *hop) string {
		u := *h.url
		u.Fragment, u.RawFragment = "", ""
		return h.method + " " + u.String() + " " + r.cookies(h)
	}
	if r.visited == nil {
		// The first request had no cookies of the jar.
		u := *h.url
		u.Fragment, u.RawFragment = "", ""
		r.visited = append(r.visited, h.method+" "+u.String()+" ")
	}
	k := key(next)
	if slices.Contains(r.visited, k) {
		return true
	}
	r.visited = append(r.visited, k)
	return false
}

// keepCookies remembers the cookies that a redirect or a challenge sets, for this
// check only: some sites redirect in a circle until the cookie comes back. The
// jar refuses cookies for other origins and for whole public suffixes.
func (r *httpRun) keepCookies(u *url.URL, resp *response) {
	if r.own.NoCookies {
		return
	}
	header := http.Header{}
	for _, f := range resp.fields {
		if !strings.EqualFold(f.Name, "Set-Cookie") {
			continue
		}
		if r.cookieBytes += len(f.Value); r.cookieBytes <= maxCookies {
			header["Set-Cookie"] = append(header["Set-Cookie"], f.Value)
		}
	}
	if len(header) == 0 {
		return
	}
	if r.jar == nil {
		r.jar, _ = cookiejar.New(&cookiejar.Options{PublicSuffixList: publicsuffix.List}) // gives no error
	}
	r.jar.SetCookies(u, (&http.Response{Header: header}).Cookies())
}

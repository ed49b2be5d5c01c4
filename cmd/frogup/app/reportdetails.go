package app

import (
	"time"

	"github.com/frogstats/uptime/services/prober/nettest"
)

// detailsRecord is what REST has in the details of an event.
type detailsRecord struct {
	Certificates []certificateRecord `json:"certificates"`
	Addresses    []addressRecord     `json:"addresses"`
	Assertions   []outcomeRecord     `json:"assertions"`
	Warnings     []string            `json:"warnings"`
	Banner       *string             `json:"banner"`
	DNSCached    bool                `json:"dns_cached"`
	// An event has these here, and not beside it.
	Redirects   []redirectRecord `json:"redirects,omitempty"`
	HTTPVersion *string          `json:"http_version,omitempty"`
	FinalURL    *string          `json:"final_url,omitempty"`
}

type certificateRecord struct {
	Peer               string   `json:"peer"`
	Subject            string   `json:"subject"`
	Issuer             string   `json:"issuer"`
	Names              []string `json:"names"`
	NotBefore          *string  `json:"not_before"`
	NotAfter           *string  `json:"not_after"`
	ChainExpiresAt     *string  `json:"chain_expires_at"`
	Serial             string   `json:"serial"`
	SHA256             string   `json:"sha256"`
	Key                string   `json:"key"`
	SignatureAlgorithm string   `json:"signature_algorithm"`
	ChainLength        int      `json:"chain_length"`
	Trusted            bool     `json:"trusted"`
	NameMatches        bool     `json:"name_matches"`
	Valid              bool     `json:"valid"`
	Problems           []string `json:"problems"`
	OCSPStatus         *string  `json:"ocsp_status"`
	OCSPSource         *string  `json:"ocsp_source"`
	TLSVersion         string   `json:"tls_version"`
	CipherSuite        string   `json:"cipher_suite"`
	ALPN               *string  `json:"alpn"`
}

type addressRecord struct {
	IP         string  `json:"ip"`
	DurationUS float64 `json:"duration_us"`
	ErrorType  *string `json:"error_type"`
}

type outcomeRecord struct {
	Type     string  `json:"type"`
	Operator string  `json:"operator"`
	Value    any     `json:"value"`
	Actual   any     `json:"actual"`
	Passed   bool    `json:"passed"`
	Name     *string `json:"name"`
	Problem  *string `json:"problem"`
}

func newDetails(c checked) detailsRecord {
	d := detailsRecord{
		Certificates: []certificateRecord{}, Addresses: []addressRecord{}, Assertions: []outcomeRecord{},
		Warnings: append([]string{}, c.Warnings...), Banner: present(c.Banner), DNSCached: c.DNSCached,
	}
	for _, x := range c.Certificates {
		d.Certificates = append(d.Certificates, newCertificateRecord(x))
	}
	for _, a := range c.Addresses {
		d.Addresses = append(d.Addresses, addressRecord{a.Addr.String(), micros(a.Duration), present(string(a.ErrorType))})
	}
	for _, o := range c.rules {
		d.Assertions = append(d.Assertions, outcomeRecord{o.Type, o.Operator, o.Value, o.Actual, o.Passed, present(o.Name), present(o.Problem)})
	}
	return d
}

func newCertificateRecord(x nettest.Certificate) certificateRecord {
	when := func(t time.Time) *string {
		if t.IsZero() {
			return nil
		}
		return present(t.UTC().Format(timeLayout))
	}
	return certificateRecord{
		Peer: x.Peer, Subject: x.Subject, Issuer: x.Issuer, Names: append([]string{}, x.Names...),
		NotBefore: when(x.NotBefore), NotAfter: when(x.NotAfter), ChainExpiresAt: when(x.ChainExpiresAt),
		Serial: x.Serial, SHA256: x.SHA256, Key: x.Key, SignatureAlgorithm: x.SignatureAlgorithm, ChainLength: x.ChainLength,
		Trusted: x.Trusted, NameMatches: x.NameMatches, Valid: x.Valid, Problems: append([]string{}, x.Problems...),
		OCSPStatus: present(x.OCSPStatus), OCSPSource: present(x.OCSPSource), TLSVersion: x.TLSVersion, CipherSuite: x.CipherSuite, ALPN: present(x.ALPN),
	}
}

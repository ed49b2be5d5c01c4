package nettest

// tlsOptions are those of a hop: the name and client certificates that were
// configured are for the first origin only.
func (r *httpRun) tlsOptions(h *hop) TLSOptions {
	o := r.config.TLSOptions
	if r.config.ServerName != "" {
		o.ServerName = r.config.ServerName
	}
	if !r.trusted {
		o.ServerName, o.Certificates = "", nil
	}
	o.SkipVerify = o.SkipVerify || r.config.SkipVerify
	return o
}

package nettest

// tlsOptions are those of a hop: the name and client certificates that were
// configured are for the first origin only.
func (r *httpRun) tlsOptions() TLSOptions {
	o := r.own.TLSOptions
	if r.own.ServerName != "" {
		o.ServerName = r.own.ServerName
	}
	if !r.trusted {
		o.ServerName, o.Certificates = "", nil
	}
	o.SkipVerify = o.SkipVerify || r.own.SkipVerify
	return o
}

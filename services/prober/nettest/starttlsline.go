package nettest

import (
	"slices"
	"strings"
)

// maxReplyLines bounds the lines of one reply.
const maxReplyLines = 100

// ehloName is what SMTP servers are told; .invalid can belong to nobody (RFC 2606).
const ehloName = "uptime.frogstats.invalid"

// smtp is RFC 3207: greeting, EHLO, STARTTLS.
func (d *dialogue) smtp() (string, error) {
	greeting, err := d.smtpReply("220")
	if err != nil {
		return "", err
	}
	if err := d.say("EHLO " + ehloName + "\r\n"); err != nil {
		return "", err
	}
	abilities, err := d.smtpReply("250")
	if err != nil {
		return "", err
	}
	// The first line is the server's own name.
	if !slices.ContainsFunc(abilities[1:], func(a string) bool { return strings.EqualFold(strings.TrimSpace(a), "STARTTLS") }) {
		return "", notOffered
	}
	if err := d.say("STARTTLS\r\n"); err != nil {
		return "", err
	}
	_, err = d.smtpReply("220")
	return greeting[0], err
}

// smtpReply reads a reply of one or more lines, all of which must have the code.
func (d *dialogue) smtpReply(code string) ([]string, error) {
	var texts []string
	for first := ""; len(texts) < maxReplyLines; {
		line, err := d.line()
		if err != nil {
			return nil, err
		}
		if len(line) < 3 || strings.Trim(line[:3], "0123456789") != "" || line[0] < '2' || line[0] > '5' ||
			len(line) > 3 && line[3] != ' ' && line[3] != '-' || first != "" && line[:3] != first {
			return nil, foreign("SMTP")
		}
		first = line[:3]
		texts = append(texts, line[min(4, len(line)):])
		if len(line) > 3 && line[3] == '-' {
			continue
		}
		if first != code {
			return nil, refused(line)
		}
		return texts, nil
	}
	return nil, protocolError("it sent a reply of more than 100 lines")
}

// pop3 is RFC 2595: greeting, STLS.
func (d *dialogue) pop3() (string, error) {
	greeting, err := d.pop3Reply()
	if err != nil {
		return "", err
	}
	if err := d.say("STLS\r\n"); err != nil {
		return "", err
	}
	_, err = d.pop3Reply()
	return greeting, err
}

func (d *dialogue) pop3Reply() (string, error) {
	line, err := d.line()
	if err != nil {
		return "", err
	}
	status, text, _ := strings.Cut(line, " ")
	switch status {
	case "+OK":
		return text, nil
	case "-ERR":
		return "", refused(line)
	default:
		return "", foreign("POP3")
	}
}

// imap is RFC 9051: greeting, CAPABILITY unless the greeting has it, STARTTLS.
func (d *dialogue) imap() (string, error) {
	line, err := d.line()
	if err != nil {
		return "", err
	}
	greeting, ok := cutWord(line, "*")
	if !ok {
		return "", foreign("IMAP")
	}
	text, ok := cutWord(greeting, "OK")
	if !ok { // BYE, or PREAUTH, after which TLS cannot begin any more
		if _, bye := cutWord(greeting, "BYE"); bye {
			return "", refused(greeting)
		}
		if _, pre := cutWord(greeting, "PREAUTH"); pre {
			return "", protocolError("it takes the connection as logged in already, so that TLS cannot begin")
		}
		return "", foreign("IMAP")
	}
	abilities, listed := capabilityCode(text)
	if !listed {
		if abilities, err = d.imapCapability(); err != nil {
			return "", err
		}
	}
	if !slices.ContainsFunc(abilities, func(a string) bool { return strings.EqualFold(a, "STARTTLS") }) {
		return "", notOffered
	}
	if err := d.say("u2 STARTTLS\r\n"); err != nil {
		return "", err
	}
	_, err = d.imapReply("u2")
	return text, err
}

// imapCapability asks what the server can do.
func (d *dialogue) imapCapability() ([]string, error) {
	if err := d.say("u1 CAPABILITY\r\n"); err != nil {
		return nil, err
	}
	untagged, err := d.imapReply("u1")
	if err != nil {
		return nil, err
	}
	for _, line := range untagged {
		if list, ok := cutWord(line, "CAPABILITY"); ok {
			return strings.Fields(list), nil
		}
	}
	return nil, nil
}

// imapReply reads untagged lines up to the tagged one, which must be OK.
func (d *dialogue) imapReply(tag string) ([]string, error) {
	var untagged []string
	for len(untagged) < maxReplyLines {
		line, err := d.line()
		if err != nil {
			return nil, err
		}
		if rest, ok := cutWord(line, "*"); ok {
			untagged = append(untagged, rest)
			continue
		}
		rest, ok := cutWord(line, tag)
		if !ok {
			return nil, foreign("IMAP")
		}
		if _, ok := cutWord(rest, "OK"); !ok {
			return nil, refused(rest)
		}
		return untagged, nil
	}
	return nil, protocolError("it sent a reply of more than 100 lines")
}

// capabilityCode is the list in [CAPABILITY …] at the beginning of a text.
func capabilityCode(text string) ([]string, bool) {
	code, ok := strings.CutPrefix(text, "[")
	if !ok {
		return nil, false
	}
	code, _, ok = strings.Cut(code, "]")
	if !ok {
		return nil, false
	}
	list, ok := cutWord(code, "CAPABILITY")
	return strings.Fields(list), ok
}

// cutWord takes word, in any case, off the beginning of text.
func cutWord(text, word string) (rest string, ok bool) {
	if len(text) < len(word) || !strings.EqualFold(text[:len(word)], word) {
		return text, false
	}
	if rest = text[len(word):]; rest == "" {
		return "", true
	}
	if rest[0] != ' ' {
		return text, false
	}
	return rest[1:], true
}

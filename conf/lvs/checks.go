package lvs

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// checkTypes are keepalived's checks, by what they are in Weir.
var checkTypes = map[string]string{
	"TCP_CHECK": "tcp", "HTTP_GET": "http", "SSL_GET": "https", "SMTP_CHECK": "tcp", "MISC_CHECK": "exec",
	"DNS_CHECK": "dns", "UDP_CHECK": "udp", "PING_CHECK": "ping",
}

// check takes one of a real server's checks.
func (k *keepalived) check(b *Backend, s *statement, set settings) {
	name := s.keyword()
	c := checker{k: k, name: name, server: b.Address, set: set, kind: checkTypes[name], values: map[string]string{}}
	if c.kind == "" {
		k.note(s.at, Missing, "%s: Weir has no such check", name)
		return
	}
	switch name {
	case "SMTP_CHECK":
		k.note(s.at, Changed, "SMTP_CHECK: becomes a tcp check, which does not speak SMTP")
	case "DNS_CHECK":
		c.values["name"], c.values["record"] = ".", "SOA"
	}
	for i := range s.block {
		m := &s.block[i]
		if !k.setting(&c.set, m) && !c.connection(m) && !c.special(m) {
			k.unknown(name, m)
		}
	}
	c.times(s)
	b.Checks = append(b.Checks, Check{Place: s.at, Keys: c.keys()})
}

// checker is a check that is being read.
type checker struct {
	k       *keepalived
	name    string
	server  netip.AddrPort
	kind    string
	set     settings
	values  map[string]string // of Weir's keys, as YAML
	urls    int               // of HTTP, or hosts of SMTP
	timeout time.Duration     // of the program; 0: none given
}

// connection takes what all checks have that connect.
func (c *checker) connection(m *statement) bool {
	switch m.keyword() {
	case "connect_port":
		if c.kind == "ping" {
			c.k.note(m.at, Ignored, "%s: connect_port: a ping has no port", c.name)
			break
		}
		n, err := parsePort(m.arg(1))
		if err != nil || n == 0 {
			c.k.note(m.at, Missing, "%s: connect_port: %q is no port", c.name, m.arg(1))
			break
		}
		c.values["port"] = strconv.Itoa(n)
	case "bindto":
		c.values["source"] = text(m.arg(1))
	case "connect_ip":
		c.k.note(m.at, Missing, "%s: connect_ip: a check goes to the backend's own address", c.name)
	case "bind_port", "bind_if", "fwmark":
		c.k.note(m.at, Missing, "%s: %s: has no counterpart", c.name, m.keyword())
	case "log_all_failures", "fast_recovery", "http_protocol", "smtp_alert":
		c.k.note(m.at, Ignored, "%s: %s: has no counterpart", c.name, m.keyword())
	default:
		return false
	}
	return true
}

// special takes what one kind of check has.
func (c *checker) special(m *statement) bool {
	switch key := m.keyword(); c.name + " " + key {
	case "HTTP_GET url", "SSL_GET url":
		c.url(m)
	case "SSL_GET enable_sni":
		c.k.note(m.at, Ignored, "enable_sni: Weir sends the name in host or sni in every handshake")
	case "MISC_CHECK misc_path":
		words := strings.Fields(m.arg(1))
		for i := range words {
			words[i] = text(words[i])
		}
		c.values["command"] = "[" + strings.Join(words, ", ") + "]"
		if strings.ContainsAny(m.arg(1), "|&;<>$`\"'*?") {
			c.k.note(m.at, Missing, "misc_path: no shell reads a check's command in Weir; put %q into a script", m.arg(1))
		}
	case "MISC_CHECK misc_timeout":
		c.k.seconds(&c.timeout, m)
	case "MISC_CHECK misc_dynamic":
		c.values["dynamic"] = "true"
	case "MISC_CHECK user":
		c.k.note(m.at, Missing, "MISC_CHECK: user %s: checks run as Weir does; use setpriv or sudo in the script", m.arg(1))
	case "DNS_CHECK type":
		c.values["record"] = text(strings.ToUpper(m.arg(1)))
	case "DNS_CHECK name":
		c.values["name"] = text(m.arg(1))
	case "SMTP_CHECK host":
		c.smtpHost(m)
	case "UDP_CHECK payload", "UDP_CHECK require_reply", "UDP_CHECK min_reply_length", "UDP_CHECK max_reply_length":
		c.k.note(m.at, Missing, "UDP_CHECK: %s %s: write the bytes to send or expect", key, strings.Join(m.words[1:], " "))
	case "SMTP_CHECK helo_name":
		c.k.note(m.at, Ignored, "SMTP_CHECK: %s: the tcp check sends nothing", key)
	default:
		return false
	}
	return true
}

// smtpHost takes a host that is asked, which may be another one than the server.
func (c *checker) smtpHost(s *statement) {
	if c.urls++; c.urls > 1 {
		c.k.note(s.at, Missing, "SMTP_CHECK: Weir's checks ask one host: this one is not asked")
		return
	}
	for i := range s.block {
		switch m := &s.block[i]; {
		case m.keyword() == "connect_ip" && m.arg(1) == c.server.Addr().String():
		case !c.connection(m):
			c.k.unknown("SMTP_CHECK: host", m)
		}
	}
}

func (c *checker) url(s *statement) {
	if c.urls++; c.urls > 1 {
		c.k.note(s.at, Missing, "%s: Weir's checks ask for one path: this second url is not asked for", c.name)
		return
	}
	for i := range s.block {
		switch m := &s.block[i]; m.keyword() {
		case "path":
			c.values["path"] = text(m.arg(1))
		case "status_code":
			words := make([]string, len(m.words)-1)
			for j, w := range m.words[1:] {
				words[j] = text(w)
			}
			c.values["status"] = "[" + strings.Join(words, ", ") + "]"
		case "virtualhost":
			c.set.host = m.arg(1)
		case "regex":
			c.values["body"] = text(m.arg(1))
		case "digest":
			c.k.note(m.at, Missing, "digest: Weir compares no digests; match the body with a regular expression instead")
		default:
			c.k.note(m.at, Missing, "url: %s: has no counterpart", m.keyword())
		}
	}
}

// times turns keepalived's settings into Weir's: interval, timeout and the number of failures.
func (c *checker) times(s *statement) {
	if c.set.host != "" && (c.kind == "http" || c.kind == "https") {
		c.values["host"] = text(c.set.host)
	}
	if c.kind == "https" {
		c.values["verify"] = "false"
	}
	if (c.kind == "http" || c.kind == "https") && c.values["status"] == "" {
		c.values["status"] = "[200-299]" // keepalived's default
	}
	retry := c.set.retry
	if retry < 0 {
		retry = map[string]int{"MISC_CHECK": 0, "DNS_CHECK": 3}[c.name]
		if c.name != "MISC_CHECK" && c.name != "DNS_CHECK" {
			retry = 1
		}
	}
	timeout := c.set.timeout
	if c.kind == "exec" {
		timeout = c.set.interval
		if c.timeout > 0 {
			timeout = c.timeout
		}
	}
	const least = 100 * time.Millisecond
	c.values["interval"], c.values["timeout"] = duration(max(c.set.interval, least)), duration(max(timeout, least))
	c.values["rise"], c.values["fall"] = "1", strconv.Itoa(retry+1)
	if c.set.between > 0 && retry > 0 && c.set.between != c.set.interval {
		c.k.note(s.at, Changed, "%s: delay_before_retry %s: Weir asks again after the interval, %s: shorten that to find failures as fast",
			c.name, duration(c.set.between), duration(c.set.interval))
	}
}

// keys are a check's, in the order of the documentation.
func (c *checker) keys() []Key {
	out := []Key{{"type", c.kind}}
	for _, name := range []string{"port", "source", "interval", "timeout", "rise", "fall", "path", "host", "status", "body",
		"verify", "name", "record", "command", "dynamic"} {
		if v, ok := c.values[name]; ok {
			out = append(out, Key{name, v})
		}
	}
	return out
}

// text is a word as YAML: in quotes unless it could be nothing else than text.
func text(s string) string {
	for _, c := range s {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '/' || c == '.' || c == '-' || c == '_' || c >= '0' && c <= '9' {
			continue
		}
		return strconv.Quote(s)
	}
	switch first := strings.ToLower(s); {
	case s == "", s[0] == '-', s[0] == '.', s[0] >= '0' && s[0] <= '9',
		first == "true", first == "false", first == "null", first == "yes", first == "no", first == "on", first == "off":
		return fmt.Sprintf("%q", s)
	}
	return s
}

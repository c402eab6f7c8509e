package conf

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Bounds of a check's interval and timeout, and of the results in a row that change a backend's state.
const (
	minPeriod = 10 * time.Millisecond
	maxPeriod = time.Hour
	maxRun    = 1000
)

// parseStatus takes the statuses of final responses, one or a range: those below 200 are followed by another.
func parseStatus(text string) (StatusRange, error) {
	const low, high = 200, 599
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		n, err := parseInt(text, low, high)
		return StatusRange{n, n}, err
	}
	a, err := parseInt(strings.TrimSpace(first), low, high)
	b, err2 := parseInt(strings.TrimSpace(last), low, high)
	switch {
	case err != nil || err2 != nil:
		return StatusRange{}, fmt.Errorf("must be a status or a range such as 200-299, within %d to %d, is %s", low, high, quote(text))
	case a > b:
		return StatusRange{}, fmt.Errorf("is a range that ends before it begins: write %d-%d", b, a)
	}
	return StatusRange{a, b}, nil
}

func parsePort(text string) (uint16, error) {
	n, err := parseInt(text, 1, 65535)
	return uint16(n), err
}

const maxPath = 1024

// parsePath takes the path and query of a request, as they stand in its first line.
func parsePath(text string) (string, error) {
	u, err := url.ParseRequestURI(text)
	switch {
	case !strings.HasPrefix(text, "/"):
		return "", fmt.Errorf("must begin with a slash, as in /healthz, is %s", quote(text))
	case len(text) > maxPath:
		return "", fmt.Errorf("is %d characters long: a path has at most %d", len(text), maxPath)
	case strings.HasPrefix(text, "//"):
		return "", fmt.Errorf("must begin with one slash: write %s", quote("/"+strings.TrimLeft(text, "/")))
	case strings.Contains(text, "#"):
		return "", fmt.Errorf("has a fragment, which is never sent: write it without # and what follows, or %%23 for the character")
	case err != nil || u.RequestURI() != text:
		return "", fmt.Errorf("must be the path of a URL, with spaces and other special characters escaped as %%20, is %s", quote(text))
	}
	return text, nil
}

var hostForm = regexp.MustCompile(`^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\.?|\[[0-9a-fA-F:.]+\])(?::([0-9]{1,5}))?$`)

const maxHost = 253 + len(":65535") // RFC 1035 section 2.3.4

// parseHost takes what stands in a Host header: a name or an address, perhaps with a port. Empty stands for the
// backend's address.
func parseHost(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	m := hostForm.FindStringSubmatch(text)
	if m == nil || len(text) > maxHost {
		return "", fmt.Errorf("must be a host such as www.example.com or www.example.com:8080, is %s", quote(text))
	}
	if m[1] != "" {
		if _, err := parsePort(strings.TrimLeft(m[1], "0")); err != nil {
			return "", errors.New("has a port that is not 1 to 65535")
		}
	}
	if u, err := url.Parse("http://" + text); err != nil || u.Host != text {
		return "", fmt.Errorf("must be a host such as www.example.com or [2001:db8::1]:8080, is %s", quote(text))
	}
	return text, nil
}

// parsePercent takes a share, 0% to most.
func parsePercent(text string, most int) (int, error) {
	number, ok := strings.CutSuffix(text, "%")
	if !ok {
		if isNumber(text) {
			return 0, fmt.Errorf("needs a percent sign: write %s%%", text)
		}
		return 0, fmt.Errorf("must be a share such as 10%%, is %s", quote(text))
	}
	n, err := parseInt(number, 0, most)
	if err != nil {
		return 0, fmt.Errorf("must be 0%% to %d%%, is %s", most, quote(text))
	}
	return n, nil
}

var domainForm = regexp.MustCompile(`^(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?\.)*[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?$`)

// Bounds of a domain name and its labels (RFC 1035 section 2.3.4), in characters without the last dot.
const (
	maxDomain = 253
	maxLabel  = 63
)

// parseDomain takes a domain name, as TLS and DNS use it.
func parseDomain(text string) (string, error) {
	if !domainForm.MatchString(text) || len(text) > maxDomain || longLabel(text) {
		return "", fmt.Errorf("must be a domain name such as www.example.com, is %s", quote(text))
	}
	return text, nil
}

func longLabel(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		if len(label) > maxLabel {
			return true
		}
	}
	return false
}

// parseQuestion takes the name that a DNS server is asked for, with or without the last dot, and returns it with it.
func parseQuestion(text string) (string, error) {
	if text == "." {
		return text, nil
	}
	name, err := parseDomain(strings.TrimSuffix(text, "."))
	if err != nil {
		return "", fmt.Errorf("must be a domain name such as www.example.com, or \".\", is %s", quote(text))
	}
	return name + ".", nil
}

// parseFile takes the path of a file of Weir's machine.
func parseFile(text string) (string, error) {
	switch {
	case !strings.HasPrefix(text, "/") || strings.HasSuffix(text, "/"):
		return "", fmt.Errorf("must be the path of a file from the root, such as /etc/weir/check.pem, is %s", quote(text))
	case !printable(text) || len(text) > maxPath:
		return "", fmt.Errorf("must be at most %d printable characters, is %s", maxPath, quote(text))
	}
	return text, nil
}

// parseArgument takes a word of a command: the kernel ends it at a zero.
func parseArgument(text string) (string, error) {
	if strings.Contains(text, "\x00") || len(text) > maxPath {
		return "", fmt.Errorf("must be at most %d characters and have no zero in it, is %s", maxPath, quote(text))
	}
	return text, nil
}

var grpcServiceForm = regexp.MustCompile(`^[A-Za-z0-9_.:/-]{0,255}$`)

// parseGRPCService takes a service's name as its server registered it; empty is the server as a whole.
func parseGRPCService(text string) (string, error) {
	if !grpcServiceForm.MatchString(text) {
		return "", fmt.Errorf("must be the name of a service such as shop.v1.Orders, is %s", quote(text))
	}
	return text, nil
}

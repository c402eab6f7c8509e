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

// parseStatus takes the status of a final response: those below 200 are followed by another.
func parseStatus(text string) (int, error) { return parseInt(text, 200, 599) }

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

package conf

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"
)

// maxSocketPath is what the kernel's sockaddr_un holds, less the final zero.
const maxSocketPath = 107

// parseSocket takes the path of a Unix socket; empty is none.
func parseSocket(text string) (string, error) {
	switch {
	case text == "":
		return "", nil
	case !strings.HasPrefix(text, "/"):
		return "", fmt.Errorf("must be a path from the root, for clients in any directory: write for example %s, not %s", DefaultSocket, quote(text))
	case !printable(text):
		return "", fmt.Errorf("must be printable characters, is %s", quote(text))
	case len(text) > maxSocketPath:
		return "", fmt.Errorf("is %d bytes long: the path of a Unix socket has at most %d", len(text), maxSocketPath)
	case strings.HasSuffix(text, "/") || strings.HasSuffix(text, "/.") || strings.HasSuffix(text, "/.."):
		return "", fmt.Errorf("must be the path of a file, is the directory %s", quote(text))
	}
	return text, nil
}

var hostnameForm = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$`)

// parseListen takes an address to listen on, without a host for all of the machine's; empty is none.
func parseListen(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	if isNumber(text) {
		return "", fmt.Errorf("is only a port: write 127.0.0.1:%s, or :%s for every address of this machine", text, text)
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return "", fmt.Errorf("must be an address and a port such as 127.0.0.1:9480 or [::1]:9480, is %s", quote(text))
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" && !hostnameForm.MatchString(host) {
		return "", fmt.Errorf("must begin with an address of this machine, or be :9480 for all of them, is %s", quote(text))
	}
	if n, err := parsePort(port); err != nil || n == 0 {
		return "", errors.New("must have a port from 1 to 65535, has " + quote(port))
	}
	return text, nil
}

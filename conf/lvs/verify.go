package lvs

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/weirlb/weir/conf"
)

// Verify looks at a resolved setup's configuration as weir check does, and notes what that would not accept at the line it
// comes from. Without a device and an address of the port there is nothing to hold it against yet.
func (s *Setup) Verify(p Port) {
	if p.Device == "" || len(p.Addresses) == 0 {
		return
	}
	var b strings.Builder
	_ = s.YAML(&b, "", p) // a Builder takes everything
	cfg, err := conf.Parse("", []byte(b.String()))
	if err == nil {
		err = cfg.CheckFiles()
	}
	var all conf.Errors
	if !errors.As(err, &all) {
		return
	}
	names := s.Names()
	for _, e := range all {
		s.refused(e, names)
	}
	s.sortNotes()
}

// serviceKey finds the service and the backend in a key.
var serviceKey = regexp.MustCompile(`^services\[(\d+)\]\.?(backends\[(\d+)\])?`)

// refused notes an error of weir check.
func (s *Setup) refused(e conf.Error, names []string) {
	m := serviceKey.FindStringSubmatch(e.Key)
	if m == nil {
		at := Place{}
		if strings.HasPrefix(e.Key, "dataplane.") {
			at = s.TimeoutsPlace
		}
		s.note(at, Missing, "weir check refuses %s: %s", e.Key, e.Msg)
		return
	}
	i, _ := strconv.Atoi(m[1]) // digits, as the expression has it
	v := s.Services[i]
	at, rest := v.Place, e.Key[len(m[0])-len(m[2]):]
	if v.lacking() && (strings.HasPrefix(rest, "address") || rest == "protocol") {
		return
	}
	if j, err := strconv.Atoi(m[3]); err == nil {
		at = v.Backends[j].Place
	}
	if strings.HasPrefix(rest, "health") {
		at = v.Backends[0].Checks[0].Place
	}
	s.note(at, Missing, "weir check refuses %s of service %s: %s", rest, names[i], e.Msg)
}

// lacking reports whether a note tells already what is wrong with the service's address or protocol.
func (v *Service) lacking() bool {
	return len(v.Endpoints) == 0 || v.Protocol == "" || v.Endpoints[0].Port == 0 && v.Persistence == 0
}

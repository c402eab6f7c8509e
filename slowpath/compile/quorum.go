package compile

import "github.com/weirlb/weir/conf"

// Quorum is how a service stands to its quorum.
type Quorum struct {
	Up bool
	// Have is the weight or the number of the backends that are up, Need what the service's quorum is.
	Have, Need int
}

// CountQuorum counts a service's backends that are up and have a weight. was is whether the service was up: to gain its
// quorum takes the hysteresis more, to keep it that much less, but something in any case (keepalived's rules).
func CountQuorum(s *conf.Service, was bool, status func(*conf.Service, *conf.Backend) Status) Quorum {
	q := Quorum{Need: s.Quorum.Backends}
	if s.Quorum.Weight > 0 {
		q.Need = s.Quorum.Weight
	}
	for i := range s.Backends {
		st := status(s, &s.Backends[i])
		switch {
		case !st.Up || st.Weight == 0:
		case s.Quorum.Weight > 0:
			q.Have += st.Weight
		default:
			q.Have++
		}
	}
	if was {
		q.Up = q.Have > 0 && q.Have >= q.Need-s.Quorum.Hysteresis
	} else {
		q.Up = q.Have >= q.Need+s.Quorum.Hysteresis
	}
	return q
}

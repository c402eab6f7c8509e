package sched

func init() {
	Register("fo", "Failover: all connections to the server with the largest weight that is up. For a primary and its stand-ins.",
		newFO)
}

type fo int

// newFO finds the first of the heaviest servers: which one that is changes only with the servers.
func newFO(servers []Server, _ Options) (Scheduler, error) {
	heaviest := fo(-1)
	for i := range servers {
		if w := servers[i].Weight; w > 0 && (heaviest < 0 || w > servers[heaviest].Weight) {
			heaviest = fo(i)
		}
	}
	return heaviest, nil
}

func (s fo) Pick(*Key, *State) int { return int(s) }

package fastpath

import "testing"

// TestASloppyServicesConnectionsBeginWithAnyPacketButAReset, in the state that LVS gives them.
func TestASloppyServicesConnectionsBeginWithAnyPacketButAReset(t *testing.T) {
	for _, f := range families {
		for _, mode := range []Mode{NAT, DR} {
			for flags, want := range map[string]string{"A": "ESTABLISHED", "S": "SYN_RECV", "SA": "SYN_RECV", "FA": "CLOSE", "R": "", "RA": ""} {
				r := newRig(t, []rigService{{vip: f.vip, proto: proto(false), mode: mode}})
				p := pk{from: f.client, to: f.vip, flags: flags}
				if flags != "S" {
					if out := r.send(wan, p.frame(t)); len(out) != 0 {
						t.Errorf("%s, %s: began a connection of a service that is not sloppy", f.name, flags)
					}
				}
				r.spec.Services[0].Sloppy = true
				r.publish()
				out, got := r.send(wan, p.frame(t)), ""
				if s := r.states(); len(s) > 0 {
					got = s[0]
				}
				if (len(out) > 0) != (want != "") || got != want {
					t.Errorf("%s, %s: %d frames left, state %q, want %q", f.name, flags, len(out), got, want)
				}
			}
		}
	}
}

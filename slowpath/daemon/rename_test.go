package daemon

import (
	"slices"
	"strings"
	"testing"
)

func TestARenamedServiceKeepsTheHealthOfItsBackends(t *testing.T) {
	command, set := switched(t)
	set("10.0.0.12", "1")
	config := strings.Replace(checked(command, "quorum: {weight: 2}"), "rise: 1,", "rise: 1000,", 1)
	r := startIn(t, "", memory(), config)
	r.expectBackends("web 10.0.0.11:8080 up", "web 10.0.0.12:8080 down")
	r.until("the service is down", func() bool { return r.service().State == "down" })
	before := r.service()
	set("10.0.0.12", "0") // it is to pass a thousand times
	r.rewrite(strings.Replace(strings.Replace(config, "name: web", "name: www", 1),
		"address: 203.0.113.10:80\n", "addresses: [203.0.113.11:80, 203.0.113.10:80]\n", 1))
	changes, err := r.reload()
	want := []string{"+ address www 203.0.113.11:80", "~ service www: name web → www"}
	if err != nil || !slices.Equal(changes, want) {
		t.Errorf("%v, changes %q, want %q", err, changes, want)
	}
	if got := r.backends(); !slices.Equal(got, []string{"www 10.0.0.11:8080 up", "www 10.0.0.12:8080 down"}) {
		t.Errorf("%q", got)
	}
	if s := r.service(); s.State != "down" || s.Since != before.Since || s.Address != "203.0.113.11:80,203.0.113.10:80" {
		t.Errorf("%+v, was %+v", s, before)
	}
	r.rewrite(strings.Replace(config, "203.0.113.10:80", "203.0.113.12:80", 1)) // the name and nothing else in common
	if changes, err = r.reload(); err != nil || len(changes) != 2 || !strings.HasPrefix(changes[0], "+ service web: tcp 203.0.113.12:80") || !strings.HasPrefix(changes[1], "- service www: tcp") {
		t.Errorf("%v, changes %q", err, changes)
	}
}

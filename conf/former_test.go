package conf

import (
	"slices"
	"testing"
)

func TestFormerServices(t *testing.T) {
	service := func(name string, p Protocol, addresses ...string) Service {
		s := Service{Name: name, Protocol: p}
		for _, a := range addresses {
			s.Addresses = append(s.Addresses, EndpointOf(ap(a)))
		}
		return s
	}
	old := []Service{
		service("web", TCP, "203.0.113.10:80", "203.0.113.10:443"),
		service("dns", UDP, "203.0.113.10:53"),
		service("mail", TCP, "203.0.113.10:25"),
	}
	for _, c := range []struct {
		name string
		now  []Service
		want []int
	}{
		{"the same", []Service{service("dns", UDP, "203.0.113.10:53"), service("web", TCP, "203.0.113.10:80")}, []int{1, 0}},
		{"another address", []Service{service("web", TCP, "203.0.113.99:80")}, []int{0}},
		{"a new name", []Service{service("www", TCP, "203.0.113.99:80", "203.0.113.10:443")}, []int{0}},
		{"names change places", []Service{service("mail", TCP, "203.0.113.10:80"), service("web", TCP, "203.0.113.10:25")}, []int{2, 0}},
		{"the name stays elsewhere", []Service{service("www", TCP, "203.0.113.10:80"), service("web", TCP, "203.0.113.10:443")}, []int{-1, 0}},
		{"another protocol", []Service{service("web", UDP, "203.0.113.10:80")}, []int{-1}},
		{"split in two", []Service{service("a", TCP, "203.0.113.10:80"), service("b", TCP, "203.0.113.10:443")}, []int{0, -1}},
		{"nothing in common", []Service{service("www", TCP, "203.0.113.99:80")}, []int{-1}},
	} {
		if got := Former(old, c.now); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

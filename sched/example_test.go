package sched_test

import (
	"fmt"

	"github.com/weirlb/weir/sched"
)

func Example() {
	servers := []sched.Server{
		{Address: "10.0.0.11:8080", Weight: 3},
		{Address: "10.0.0.12:8080", Weight: 1},
		{Address: "10.0.0.13:8080", Weight: 0}, // draining
	}
	s, err := sched.New("wrr", servers, sched.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	var st sched.State // one for each service and worker
	for range 8 {
		fmt.Print(s.Pick(&sched.Key{}, &st), " ")
	}
	// Output: 0 1 0 0 0 1 0 0
}

// last is a scheduler of one's own.
type last int

func (l last) Pick(*sched.Key, *sched.State) int { return int(l) }

func init() {
	sched.Register("last", "The last server that takes connections. For examples.",
		func(servers []sched.Server, _ sched.Options) (sched.Scheduler, error) {
			l := last(-1)
			for i := range servers {
				if servers[i].Weight > 0 {
					l = last(i)
				}
			}
			return l, nil
		})
}

func ExampleRegister() {
	s, err := sched.New("last", []sched.Server{{Weight: 1}, {Weight: 1}, {Weight: 0}}, sched.Options{})
	fmt.Println(s.Pick(&sched.Key{}, &sched.State{}), err)
	fmt.Println(sched.Describe("last"))
	// Output:
	// 1 <nil>
	// The last server that takes connections. For examples.
}

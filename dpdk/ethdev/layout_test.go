package ethdev

import (
	"reflect"
	"testing"

	"github.com/weirlb/weir/fastpath/port"
)

func TestGoAndCAgreeOnABurst(t *testing.T) {
	listed := map[string]bool{}
	for _, f := range layout() {
		listed[f.name] = true
		if f.inGo != f.inC {
			t.Errorf("%s is %d in Go and %d in C", f.name, f.inGo, f.inC)
		}
	}
	for _, typ := range []reflect.Type{reflect.TypeFor[port.Frame](), reflect.TypeFor[port.Burst]()} {
		for f := range typ.Fields() {
			if name := typ.Name() + "." + f.Name; f.Name != "_" && !listed[name] {
				t.Errorf("%s is not compared", name)
			}
		}
	}
}

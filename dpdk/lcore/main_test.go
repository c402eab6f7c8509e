package lcore

import (
	"testing"

	"github.com/weirlb/weir/dpdk/internal/dpdktest"
)

// early is the error of a registration before DPDK runs.
var early error

func TestMain(m *testing.M) {
	_, early = Register(AnyCore)
	dpdktest.Main(m)
}

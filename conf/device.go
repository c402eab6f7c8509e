package conf

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var (
	pciForm = regexp.MustCompile(`^(?:[0-9a-fA-F]{4}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]$`)
	// Names of DPDK's virtual network devices begin with their driver's.
	vdevForm = regexp.MustCompile(`^(net_|eth_|virtio_user)[A-Za-z0-9_.-]+$`)
	spaced   = regexp.MustCompile(` +([,=]) *|([,=]) +| +$`)
)

// parseDevice takes a PCI address or a virtual device, each with DPDK's arguments behind commas. Whether
// there is such a device is not looked at.
func parseDevice(text string) (string, error) {
	name, args, _ := strings.Cut(text, ",")
	switch {
	case text == "":
		return "", errors.New("is empty: write a PCI address or a DPDK virtual device")
	case !printable(text) || len(text) > maxDevice:
		return "", fmt.Errorf("must be at most %d printable characters, is %s", maxDevice, quote(text))
	case !pciForm.MatchString(name) && !vdevForm.MatchString(name):
		hint := ""
		if interfaceForm.MatchString(name) && len(name) <= maxInterfaceName {
			hint = ": for the kernel's interface of this name write net_af_packet0,iface=" + name
		}
		return "", fmt.Errorf("must be a PCI address such as 0000:03:00.0 or a DPDK virtual device such as net_af_packet0,iface=eth1, is %s%s", quote(text), hint)
	case strings.HasSuffix(text, ",") || strings.HasPrefix(args, ",") || strings.Contains(args, ",,"):
		return "", fmt.Errorf("has an empty argument: %s", quote(text))
	case spaced.MatchString(text):
		return "", fmt.Errorf("has a space beside a comma or an equals sign, which DPDK takes for a part of what is there: write %s",
			quote(spaced.ReplaceAllString(text, "$1$2")))
	}
	return text, nil
}

const maxDevice = 1024

// deviceName is what DPDK knows a device by: the same for all ways to write a PCI address.
func deviceName(device string) string {
	name, _, _ := strings.Cut(device, ",")
	if !pciForm.MatchString(name) {
		return name
	}
	if strings.Count(name, ":") == 1 {
		name = "0000:" + name
	}
	return strings.ToLower(name)
}

// kernelInterfaces are the kernel's interfaces that a virtual device sits on or makes.
func kernelInterfaces(device string) (names []string) {
	for _, arg := range strings.Split(device, ",")[1:] {
		key, name, _ := strings.Cut(arg, "=")
		if slices.Contains(interfaceArguments, key) && name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// interfaceArguments are those of net_af_packet, net_af_xdp, net_tap and virtio_user, and of net_pcap.
var interfaceArguments = []string{"iface", "rx_iface", "rx_iface_in", "tx_iface"}

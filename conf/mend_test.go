package conf

import (
	"fmt"
	"strings"
	"testing"
)

func TestIPv6AddressesWithoutQuotesHideNoOtherErrors(t *testing.T) {
	const (
		ports   = "ports: [{name: wan, device: net_null0, addresses: [203.0.113.2/24, \"2001:db8::2/64\"]}]\nservices:\n"
		service = "  - name: web\n    protocol: tcp\n    mode: nat\n"
		quoted  = `an IPv6 address with a port needs quotes: "[2001:db8::10]:80"`
	)
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"in a block", ports + service + "    address: [2001:db8::10]:80\n    backends: [{address: \"[2001:db8::11]:80\"}]\n", says("6: " + quoted)},
		{"in a section and a block", ports + service + "    address: [2001:db8::10]:80\n    backends: [{address: [2001:db8::11]:80, weight: 70000}]\n",
			says("6: "+quoted, "7: "+quoted, "7: services[0].backends[0].weight: must be 0 to 65535, is 70000")},
		{"twice in a line", ports + service + "    address: \"[2001:db8::10]:80\"\n    backends: [{address: [2001:db8::11]:80}, {address: [2001:db8::12]:80, weight: -1}]\n    scheduler: wcl\n",
			says("7: "+quoted, "7: services[0].backends[1].weight: must be 0 to 65535, is -1",
				`8: services[0].scheduler: must be dh, fo, lblc, lblcr, lc, mh, nq, ovf, p2c, random, rr, sed, sh, twos, wlc or wrr, is "wcl": did you mean wlc?`)},
		{"with another error in the address", ports + service + "    address: [2001:db8::2]:80-70\n    backends: [{address: 203.0.113.11:80}]\n",
			says("6: "+quoted, `6: services[0].address: has the range of ports 80-70: write the smaller port first`)},
		{"without a port", ports + service + "    address: [2001:db8::10]:\n    backends: [{address: 203.0.113.11:80}]\n",
			says("6: "+quoted, `6: services[0].address: has the port "": write one from 1 to 65535, a range such as 8000-8100, or 0 for all`)},
		{"before another end of the parser's work", ports + service + "    address: [2001:db8::10]:80\n    backends: [{address: 203.0.113.11:80]\n",
			says("6: "+quoted, "7: the section that begins here with { is not ended well: its keys need a comma between them and a } at the end")},
		{"with Windows's line ends", strings.ReplaceAll(ports+service+"    address: [2001:db8::10]:80\n    backends: [{address: \"[2001:db8::11]:80\", weight: -1}]\n", "\n", "\r\n"),
			says("6: "+quoted, "7: services[0].backends[0].weight: must be 0 to 65535, is -1")},
		{"in a text in quotes beside it, which is broken by quotes", ports + service + "    address: 203.0.113.10:80\n    backends: [{address: [2001:db8::11]:80, x: \"a [::1]:80\", weight: -1}]\n",
			says("7: " + quoted)},
	} {
		t.Run(c.name, func(t *testing.T) { expectErrors(t, c.text, c.want...) })
	}
}

// The file is parsed again for each of them.
func TestOnlySoManyIPv6AddressesWithoutQuotesAreReported(t *testing.T) {
	var b strings.Builder
	b.WriteString("services:\n")
	var want []string
	for i := range 2 * mostMended {
		fmt.Fprintf(&b, "  - {address: [2001:db8::%d]:80}\n", i)
		if i <= mostMended {
			want = append(want, fmt.Sprintf("%d: %s", i+2, quoteIPv6))
		}
	}
	expectErrors(t, b.String(), want...)
}

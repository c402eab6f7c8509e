// Package ipvs compares Weir with the original, the Linux kernel's IPVS, packet by packet.
//
// A [Scenario] says once what both are to do: services, packets, changes, waits. From it come ipvsadm's commands and
// Weir's configuration, and the same code, [Run], takes both through it: in a kernel that runs as a process (User Mode
// Linux, scripts/ipvslab) the guest program moves frames through TAP devices, here a test moves them through the real packet
// path in memory. What IPVS did is a [Recording]; the tests compare Weir with a fresh one (make test-ipvs) or
// with the one in testdata.
//
// docs/differences-from-ipvs.md lists where the two are meant to differ.
package ipvs

package tap

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func expectRefusal(t *testing.T, o Options, want string) {
	t.Helper()
	d, err := Open(o)
	if err == nil {
		_ = d.Close()
		t.Fatal("no error")
	}
	if !strings.HasPrefix(err.Error(), "kernel interface "+o.Name+": ") || !strings.Contains(err.Error(), want) {
		t.Errorf("error %q, want one with %q", err, want)
	}
}

func TestImpossibleNamesAreRefused(t *testing.T) {
	for name, want := range map[string]string{
		"":                 "the name is empty",
		"sixteen-bytes-16": "the name has 16 bytes, and at most 15 are possible",
		"a/b":              "must not contain",
		"a:b":              "must not contain",
		"a b":              "must not contain",
		"a\tb":             "must not contain",
		"weir%d":           "must not contain",
		"weir\x00":         "must not contain",
		".":                "must not contain",
		"..":               "must not contain",
	} {
		t.Run(name, func(t *testing.T) {
			o := wan()
			o.Name = name
			expectRefusal(t, o, want)
		})
	}
}

func TestNamesWithDotsAndOfFifteenBytesAreTaken(t *testing.T) {
	namespace(t)
	for _, name := range []string{"fifteen.bytes15", "weir.wan"} {
		o := wan()
		o.Name = name
		d, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		if d.Warnings() != nil {
			t.Errorf("%s: %v", name, d.Warnings())
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestNameThatIsTakenIsRefused(t *testing.T) {
	const want = "there is an interface of that name already: choose another, or remove it (ip link delete "
	t.Run("by another Weir", func(t *testing.T) {
		openWire(t, wan())
		expectRefusal(t, wan(), want)
	})
	t.Run("by another kind of interface", func(t *testing.T) {
		namespace(t)
		o := wan()
		o.Name = "lo"
		expectRefusal(t, o, want)
	})
	// It would be taken over, and not vanish with the process.
	t.Run("by a persistent TAP", func(t *testing.T) {
		namespace(t)
		old := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "weir0"}, Mode: netlink.TUNTAP_MODE_TAP, Flags: netlink.TUNTAP_DEFAULTS}
		if err := netlink.LinkAdd(old); err != nil {
			t.Fatal(err)
		}
		for _, f := range old.Fds {
			_ = f.Close()
		}
		expectRefusal(t, wan(), want)
		if !exists(t, "weir0") {
			t.Error("the other interface is gone")
		}
	})
}

func TestMissingPermissionIsRefused(t *testing.T) {
	namespace(t)
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var caps [2]unix.CapUserData
	if err := unix.Capget(&header, &caps[0]); err != nil {
		t.Fatal(err)
	}
	caps[0].Effective &^= 1 << unix.CAP_NET_ADMIN
	if err := unix.Capset(&header, &caps[0]); err != nil { // of this thread alone, which ends with the test
		t.Fatal(err)
	}
	expectRefusal(t, wan(), "making it needs the capability CAP_NET_ADMIN: run weir as root, a container with --cap-add NET_ADMIN")
}

func TestKernelWithoutTAPIsRefused(t *testing.T) {
	_, err := attach("/nowhere/net/tun", "weir0")
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "load the module (modprobe tun), give a container --device /nowhere/net/tun") {
		t.Errorf("no device: %v", err)
	}
	for errno, want := range map[unix.Errno]string{
		unix.ENODEV: "modprobe tun",
		unix.EACCES: "may not be used: run weir as root",
		unix.EPERM:  "may not be used: run weir as root",
		unix.EMFILE: "opening /dev/net/tun: too many open files",
	} {
		if err := openError(cloneDevice, errno); !errors.Is(err, errno) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", errno, err)
		}
	}
}

func TestImpossibleSettingsAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"group MAC":       {func(o *Options) { o.MAC = [6]byte{1} }, "giving it the MAC 01:00:00:00:00:00"},
		"no MTU":          {func(o *Options) { o.MTU = 1 }, "giving it the MTU 1"},
		"no address":      {func(o *Options) { o.Addresses = []netip.Prefix{{}} }, "giving it the address"},
		"address twice":   {func(o *Options) { o.Addresses = append(o.Addresses, o.Addresses[0]) }, "giving it the address 203.0.113.2/24: file exists"},
		"mixed families":  {func(o *Options) { o.Routes = []Route{{netip.PrefixFrom(peer4, 32), peer6}} }, "a route to 203.0.113.9/32 by way of 2001:db8::9 is impossible"},
		"no gateway":      {func(o *Options) { o.Routes = []Route{{netip.PrefixFrom(peer4, 32), netip.Addr{}}} }, "is impossible"},
		"no destination":  {func(o *Options) { o.Routes = []Route{{netip.Prefix{}, peer4}} }, "is impossible"},
		"gateway is ours": {func(o *Options) { o.Routes = []Route{{netip.MustParsePrefix("10.9.0.1/32"), own4}} }, "adding a route to 10.9.0.1/32 by way of 203.0.113.2"},
	} {
		t.Run(name, func(t *testing.T) {
			namespace(t)
			o := wan()
			c.change(&o)
			expectRefusal(t, o, c.want)
			if exists(t, "weir0") {
				t.Error("the interface is still there")
			}
		})
	}
}

// readOnlySettings makes /proc/sys as it is in a container.
func readOnlySettings(t *testing.T) {
	t.Helper()
	steps := []func() error{
		func() error { return unix.Unshare(unix.CLONE_NEWNS) }, // of this thread alone
		func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") },
		func() error { return unix.Mount("/proc/sys", "/proc/sys", "", unix.MS_BIND, "") },
		func() error { return unix.Mount("", "/proc/sys", "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "") },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReadOnlySettingsAreWarnings(t *testing.T) {
	namespace(t)
	setSysctl(t, "ipv4/conf/default/arp_announce", "2") // as wanted, so not worth a warning
	readOnlySettings(t)
	d, err := Open(wan())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range d.Warnings() {
		got = append(got, w.Error())
		if !errors.Is(w, unix.EROFS) {
			t.Errorf("%v", w)
		}
	}
	const want = "kernel interface weir0: the kernel may drop packets whose answers do not leave through it: setting rp_filter to 2: "
	if len(got) != 4 || !strings.HasPrefix(got[0], want) {
		t.Errorf("warnings %q", got)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func TestIPv6ThatCannotBeTurnedOnIsRefused(t *testing.T) {
	namespace(t)
	setSysctl(t, "ipv6/conf/default/disable_ipv6", "1")
	readOnlySettings(t)
	expectRefusal(t, wan(), "IPv6 is off on new interfaces and cannot be turned on: set net.ipv6.conf.default.disable_ipv6 to 0")
	o := wan()
	o.Addresses = o.Addresses[:1]
	d, err := Open(o)
	if err != nil {
		t.Fatalf("without IPv6 addresses: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

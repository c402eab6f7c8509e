package daemon

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirlb/weir/slowpath/api"
	"github.com/weirlb/weir/slowpath/api/apitest"
	"github.com/weirlb/weir/slowpath/view"
)

var (
	first  = netip.MustParseAddrPort("10.0.0.11:8080")
	second = netip.MustParseAddrPort("10.0.0.12:8080") // weight 3 in the file
	third  = netip.MustParseAddrPort("10.0.0.13:8080") // not in the file
)

func (r *rig) api() *api.Client { return api.Dial(r.socket) }

// must fails the test with an error.
func (r *rig) must(changes []string, err error) []string {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
	return changes
}

// shown are the backends with their weight and what was changed of them.
func (r *rig) shown() (out []string) {
	r.t.Helper()
	list, err := r.api().Show(r.t.Context(), "backends", api.Filter{})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, b := range list.([]view.Backend) {
		out = append(out, strings.TrimSpace(strings.Join([]string{b.Address, strings.Repeat("I", b.Weight), b.Changed}, " ")))
	}
	return out
}

func (r *rig) expectShown(want ...string) {
	r.t.Helper()
	if got := r.shown(); !slices.Equal(got, want) {
		r.t.Errorf("backends %q, want %q", got, want)
	}
}

func (r *rig) set(b netip.AddrPort, weight int) []string {
	r.t.Helper()
	return r.must(r.api().SetWeight(r.t.Context(), api.Match{}, "web", b, weight))
}

func (r *rig) drain(b netip.AddrPort) []string {
	r.t.Helper()
	return r.must(r.api().Drain(r.t.Context(), api.Match{}, "web", b, false))
}

func (r *rig) add(b netip.AddrPort, weight int) []string {
	r.t.Helper()
	return r.must(r.api().AddBackend(r.t.Context(), api.Match{}, "web", b, weight))
}

func (r *rig) remove(b netip.AddrPort) []string {
	r.t.Helper()
	return r.must(r.api().RemoveBackend(r.t.Context(), api.Match{}, "web", b))
}

func (r *rig) configuration() view.Configuration {
	r.t.Helper()
	c, err := r.api().Configuration(r.t.Context(), true)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

func TestChangesAtRunTimeAreShownAsSuch(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+oneService)
	for _, step := range []struct {
		do   func() []string
		says string
		want []string
	}{
		{func() []string { return r.set(first, 2) }, "~ backend web 10.0.0.11:8080: weight 1 → 2", []string{"10.0.0.11:8080 II weight", "10.0.0.12:8080 III"}},
		{func() []string { return r.drain(second) }, "~ backend web 10.0.0.12:8080: drains, weight 3 → 0; 0 connections are left", []string{"10.0.0.11:8080 II weight", "10.0.0.12:8080  drained"}},
		{func() []string { return r.add(third, 4) }, "+ backend web 10.0.0.13:8080: weight 4", []string{"10.0.0.11:8080 II weight", "10.0.0.12:8080  drained", "10.0.0.13:8080 IIII added"}},
		{func() []string { return r.set(third, 1) }, "~ backend web 10.0.0.13:8080: weight 4 → 1", []string{"10.0.0.11:8080 II weight", "10.0.0.12:8080  drained", "10.0.0.13:8080 I added,weight"}},
		{func() []string { return r.remove(first) }, "- backend web 10.0.0.11:8080: weight 2; on_remove: drain for 0 connections", []string{"10.0.0.12:8080  drained", "10.0.0.13:8080 I added,weight"}},
		{func() []string { return r.must(r.api().Drain(t.Context(), api.Match{}, "web", second, true)) }, "~ backend web 10.0.0.12:8080: drains no more, weight 0 → 3", []string{"10.0.0.12:8080 III", "10.0.0.13:8080 I added,weight"}},
		{func() []string { return r.add(first, 1) }, "+ backend web 10.0.0.11:8080: weight 1", []string{"10.0.0.11:8080 I", "10.0.0.12:8080 III", "10.0.0.13:8080 I added,weight"}},
		{func() []string { return r.remove(third) }, "- backend web 10.0.0.13:8080: weight 1; on_remove: drain for 0 connections", []string{"10.0.0.11:8080 I", "10.0.0.12:8080 III"}},
	} {
		if got := step.do(); !slices.Equal(got, []string{step.says}) {
			t.Errorf("got %q, want %q", got, step.says)
		}
		r.expectShown(step.want...)
	}
	if c := r.configuration(); len(c.Changes) != 0 {
		t.Errorf("all was undone, and there are changes: %q", c.Changes)
	}
}

func TestAReloadUndoesWhatWasChangedAndSaysSo(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+oneService)
	r.drain(second)
	r.add(third, 1)
	r.remove(first)
	want := []string{
		"~ backend web 10.0.0.12:8080: weight 0 → 3 (undoes what was changed at run time)",
		"+ backend web 10.0.0.11:8080: weight 1 (undoes what was changed at run time)",
		"- backend web 10.0.0.13:8080: weight 1 (undoes what was changed at run time)",
	}
	slices.Sort(want)
	for _, dry := range []bool{true, false} {
		got, err := r.reloadWith(api.ReloadOptions{DryRun: dry})
		slices.Sort(got)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("dry run %t: %v\n%s", dry, err, cmp.Diff(want, got))
		}
		if dry {
			r.expectShown("10.0.0.12:8080  drained", "10.0.0.13:8080 I added")
		}
	}
	r.expectShown("10.0.0.11:8080 I", "10.0.0.12:8080 III")
}

func TestAReloadKeepsWhatWasChangedIfAskedTo(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+oneService)
	r.drain(second)
	r.add(third, 1)
	r.remove(first)
	r.rewrite(somePorts + strings.Replace(oneService, "mode: nat", "mode: nat\n    scheduler: rr", 1))
	got, err := r.reloadWith(api.ReloadOptions{KeepRuntime: true})
	if err != nil || !slices.Equal(got, []string{"~ service web: scheduler wlc → rr"}) {
		t.Errorf("%v, %q", err, got)
	}
	r.expectShown("10.0.0.12:8080  drained", "10.0.0.13:8080 I added")
	r.rewrite(somePorts + strings.Replace(oneService, `{address: "10.0.0.11:8080"}, {address: "10.0.0.12:8080", weight: 3}`, `{address: "10.0.0.13:8080"}`, 1))
	got, err = r.reloadWith(api.ReloadOptions{KeepRuntime: true})
	want := []string{
		"~ service web: scheduler rr → wlc", "- backend web 10.0.0.12:8080: weight 0 (undoes what was changed at run time)",
		"~ backend web 10.0.0.11:8080: removed at run time, and in the file now",
		"~ backend web 10.0.0.13:8080: added at run time, and in the file now",
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v\n%s", err, cmp.Diff(want, got))
	}
	r.expectShown("10.0.0.13:8080 I")
}

func TestAReloadWithWhatCannotBeKeptIsRefusedWhole(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+oneService)
	r.add(third, 1)
	r.rewrite(somePorts + strings.NewReplacer("mode: nat", "mode: dr", "10.0.0.11:8080", "10.0.0.11", "10.0.0.12:8080", "10.0.0.12").Replace(oneService))
	if _, err := r.reloadWith(api.ReloadOptions{KeepRuntime: true}); err == nil || !strings.Contains(err.Error(), "cannot be kept") {
		t.Errorf("got %v", err)
	}
	r.expectShown("10.0.0.11:8080 I", "10.0.0.12:8080 III", "10.0.0.13:8080 I added")
}

func TestSavedChangesAreInTheFileAndNoMoreMarked(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+oneService+"# the end\n")
	if err := os.Chmod(r.file, 0o640); err != nil {
		t.Fatal(err)
	}
	link := r.file + ".link" // somebody's other name for the file
	if err := os.Link(r.file, link); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(r.file)
	if err != nil {
		t.Fatal(err)
	}
	r.drain(second)
	r.add(third, 2)
	changes := r.must(r.api().Save(t.Context(), api.Match{}, false))
	if want := []string{"~ backend web 10.0.0.12:8080: weight 3 → 0", "+ backend web 10.0.0.13:8080: weight 2"}; !slices.Equal(changes, want) {
		t.Errorf("got %q, want %q", changes, want)
	}
	want := strings.Replace(string(before), `{address: "10.0.0.12:8080", weight: 3}`, `{address: "10.0.0.12:8080", weight: 0}, {address: 10.0.0.13:8080, weight: 2}`, 1)
	after, err := os.ReadFile(r.file)
	if err != nil || string(after) != want {
		t.Errorf("%v\n%s", err, cmp.Diff(want, string(after)))
	}
	if info, err := os.Stat(r.file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if old, err := os.ReadFile(link); err != nil || string(old) != string(before) {
		t.Error("the file was written to instead of replaced")
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(r.file), ".*")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
	r.expectShown("10.0.0.11:8080 I", "10.0.0.12:8080", "10.0.0.13:8080 II")
	if got, err := r.reload(); err != nil || len(got) != 0 {
		t.Errorf("a reload changes %q, %v", got, err)
	}
	if changes := r.must(r.api().Save(t.Context(), api.Match{}, false)); len(changes) != 0 {
		t.Errorf("nothing is left to save, and it says %q", changes)
	}
}

func TestAFileThatOthersChangedIsNotSavedIntoUnlessForced(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+oneService)
	r.drain(second)
	r.rewrite(somePorts + strings.Replace(oneService, "name: web", "name: web # mine", 1))
	var refused api.Refusal
	if _, err := r.api().Save(t.Context(), api.Match{}, false); !errors.As(err, &refused) || refused.Code != "conflict" {
		t.Errorf("got %v", err)
	}
	r.must(r.api().Save(t.Context(), api.Match{}, true))
	after, err := os.ReadFile(r.file)
	if err != nil || !strings.Contains(string(after), "# mine") || !strings.Contains(string(after), "weight: 0") {
		t.Errorf("%v\n%s", err, after)
	}
	if got, err := r.reload(); err != nil || len(got) != 1 || !strings.Contains(got[0], "in the file now") {
		t.Errorf("%v, %q", err, got)
	}
	r.expectShown("10.0.0.11:8080 I", "10.0.0.12:8080")
}

func TestASymbolicLinkStaysWhenTheFileIsSaved(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+oneService)
	real := filepath.Join(t.TempDir(), "real.yaml")
	text, err := os.ReadFile(r.file)
	if err := errors.Join(err, os.WriteFile(real, text, 0o600), os.Remove(r.file), os.Symlink(real, r.file)); err != nil {
		t.Fatal(err)
	}
	r.drain(second)
	r.must(r.api().Save(t.Context(), api.Match{}, false))
	if info, err := os.Lstat(r.file); err != nil || info.Mode().Type() != os.ModeSymlink {
		t.Errorf("%v, %v", info, err)
	}
	if after, err := os.ReadFile(real); err != nil || !strings.Contains(string(after), "weight: 0") {
		t.Errorf("%v\n%s", err, after)
	}
}

func TestTheRevisionChangesWithTheConfigurationAndOnlyThen(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+oneService)
	seen := map[string]bool{}
	next := func(what string, changed bool) {
		t.Helper()
		now := r.configuration().Revision
		if seen[now] == changed {
			t.Errorf("after %s: revision %s", what, now)
		}
		seen[now] = true
	}
	next("the start", true)
	if _, err := r.reload(); err != nil {
		t.Fatal(err)
	}
	next("a reload that changes nothing", false)
	r.drain(second)
	next("a drain", true)
	r.drain(second)
	next("the same drain", false)
	if _, err := r.reloadWith(api.ReloadOptions{DryRun: true}); err != nil {
		t.Fatal(err)
	}
	next("a dry run", false)
	if _, err := r.reload(); err != nil {
		t.Fatal(err)
	}
	next("a reload", true)
	stale := api.Only(r.configuration().Revision)
	if _, err := r.api().SetWeight(t.Context(), stale, "web", first, 9); err != nil {
		t.Error(err)
	}
	var refused api.Refusal
	if _, err := r.api().SetWeight(t.Context(), stale, "web", first, 8); !errors.As(err, &refused) || refused.Code != "stale" {
		t.Errorf("a stale change: %v", err)
	}
	if _, err := r.reloadWith(api.ReloadOptions{ChangeOptions: api.ChangeOptions{Match: stale}}); !errors.As(err, &refused) || refused.Code != "stale" {
		t.Errorf("a stale reload: %v", err)
	}
}

func TestChangesThatMakeNoSenseAreRefusedWithoutAPlaceInTheFile(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+oneService)
	ctx := t.Context()
	for want, do := range map[string]func() ([]string, error){
		"has a backend 10.0.0.11:8080 already": func() ([]string, error) { return r.api().AddBackend(ctx, api.Match{}, "web", first, 1) },
		"is on no network of a port": func() ([]string, error) {
			return r.api().AddBackend(ctx, api.Match{}, "web", netip.MustParseAddrPort("192.0.2.1:80"), 1)
		},
		"has no backend 10.0.0.13:8080": func() ([]string, error) { return r.api().RemoveBackend(ctx, api.Match{}, "web", third) },
		`there is no service "shop"`:    func() ([]string, error) { return r.api().Drain(ctx, api.Match{}, "shop", first, false) },
		"is not being drained":          func() ([]string, error) { return r.api().Drain(ctx, api.Match{}, "web", first, true) },
	} {
		if _, err := do(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "weir.yaml") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	r.expectShown("10.0.0.11:8080 I", "10.0.0.12:8080 III")
}

func TestWatchersSeeWhatIsChangedAndByWhom(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+oneService)
	enough := errors.New("enough")
	var got []string
	err := r.api().Watch(t.Context(), api.WatchFilter{}, func(e view.Event) error {
		switch e.Type {
		case view.EventWatching:
			go func() { // the rest waits in the queue
				r.drain(second)
				r.rewrite(somePorts + strings.Replace(oneService, "weight: 3", "weight: 2", 1))
				r.hup <- syscall.SIGHUP
			}()
			return nil
		case view.EventReload:
			if !slices.Equal(e.Changes, []string{"~ backend web 10.0.0.12:8080: weight 0 → 2 (undoes what was changed at run time)"}) {
				t.Errorf("changes %q", e.Changes)
			}
			got = append(got, e.Type+" "+e.State+" by "+e.By)
			return enough
		}
		got = append(got, e.Type+" "+e.Backend+" by "+e.By[:3])
		return nil
	})
	if want := []string{"drain 10.0.0.12:8080 by uid", "reload applied by SIGHUP"}; !errors.Is(err, enough) || !slices.Equal(got, want) {
		t.Errorf("%v, %q, want %q", err, got, want)
	}
}

// TestCertificatesAreReadAgainByAReload also moves to other files, but the listener stays where it is.
func TestCertificatesAreReadAgainByAReload(t *testing.T) {
	servers, clients := apitest.NewAuthority(t), apitest.NewAuthority(t)
	l, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	section := func(servers, clients *apitest.Authority) string {
		cert, key := servers.Issue("weir")
		return "\n# api: listen: \"" + address + "\", certificate: " + cert + ", key: " + key + ", client_ca: " + clients.Path + "\n"
	}
	ask := func(servers, clients *apitest.Authority) error {
		cert, key := clients.Issue("alice")
		c, err := api.DialTLS("https://"+address, api.Identity{Certificate: cert, Key: key, CA: servers.Path})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Daemon(t.Context())
		return err
	}
	r := startIn(t, "", memory(), somePorts+oneService+section(servers, clients))
	if err := ask(servers, clients); err != nil {
		t.Fatal(err)
	}
	newServers, newClients := apitest.NewAuthority(t), apitest.NewAuthority(t)
	r.rewrite(somePorts + oneService + section(newServers, newClients))
	if got, err := r.reload(); err != nil || len(got) != 3 || !strings.HasPrefix(got[0], "~ api.certificate ") {
		t.Errorf("%v, %q", err, got)
	}
	if err := ask(newServers, newClients); err != nil {
		t.Error(err)
	}
	if err := ask(newServers, clients); err == nil {
		t.Error("a client of the old authority is answered")
	}
	broken := section(newServers, newClients)
	broken = strings.Replace(broken, "client_ca: "+newClients.Path, "client_ca: "+r.file, 1)
	r.rewrite(somePorts + oneService + broken)
	if _, err := r.reload(); err == nil || !strings.Contains(err.Error(), "api.client_ca: "+r.file+" has no certificate in it") {
		t.Errorf("got %v", err)
	}
	if err := ask(newServers, newClients); err != nil {
		t.Errorf("after a reload that was refused: %v", err)
	}
}

func TestWatchersSeeLinksBackendsAndServices(t *testing.T) {
	command, set := switched(t)
	hw := memory()
	r := startIn(t, "", hw, checked(command, "quorum: {weight: 2}"))
	enough := errors.New("enough")
	wanted := map[string]bool{
		"port wan down": true, "port lan down": true, "port wan up": true, "port lan up": true,
		"backend 10.0.0.12:8080 down": true, "service  down": true,
	}
	err := r.api().Watch(t.Context(), api.WatchFilter{Types: []string{"port", "backend", "service"}}, func(e view.Event) error {
		if e.Type == view.EventWatching {
			r.until("the links have been looked at", func() bool { return strings.Contains(r.log.String(), "weir runs") })
			hw.cut.Store(true)
			set("10.0.0.12", "1")
			return nil
		}
		if e.Type == view.EventPort && e.State == "down" && e.Port == "lan" {
			hw.cut.Store(false)
		}
		delete(wanted, e.Type+" "+e.Port+e.Backend+" "+e.State)
		if len(wanted) == 0 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Errorf("%v; did not come: %v", err, wanted)
	}
}

// What one service alone is compiled anew for must find all that its mode takes.
func TestAWeightCanChangeInEveryMode(t *testing.T) {
	for mode, more := range map[string]string{"nat": "", "dr": "", "tun": "tunnel: {type: gue}, ", "fullnat": "local_addresses: [10.0.0.20], "} {
		r := startIn(t, "", memory(), somePorts+`
services:
  - {name: web, address: "203.0.113.10:80", protocol: tcp, mode: `+mode+`, `+more+`backends: [{address: "10.0.0.11:80"}, {address: "10.0.0.12:80"}]}
`)
		for _, weight := range []int{0, 7} {
			if _, err := api.Dial(r.socket).SetWeight(t.Context(), api.Match{}, "web", netip.MustParseAddrPort("10.0.0.11:80"), weight); err != nil {
				t.Errorf("mode %s, weight %d: %v", mode, weight, err)
			}
		}
	}
}

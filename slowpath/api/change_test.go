package api

import (
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/weirlb/weir/slowpath/view/viewtest"
)

var (
	v4 = netip.MustParseAddrPort("10.0.0.11:8080")
	v6 = netip.MustParseAddrPort("[2001:db8:0:1::53]:53")
)

func TestReloadTellsWhatChanged(t *testing.T) {
	ctl := &recorder{changes: []string{"~ service web: scheduler wlc → mh"}}
	path, _ := serve(t, viewtest.Sample(), ctl)
	got, err := Dial(path).Reload(t.Context(), ReloadOptions{DryRun: true, KeepRuntime: true})
	if err != nil || !slices.Equal(got.Changes, ctl.changes) || !got.DryRun {
		t.Errorf("%+v, %v", got, err)
	}
	ctl.expect(t, "reload dry true keep true")
}

func TestReloadThatChangesNothingIsAnEmptyArray(t *testing.T) {
	path, _ := serve(t, viewtest.Sample(), &recorder{})
	want := `{"changes":[],"needs_restart":[],"warnings":[],"dry_run":false}`
	if status, body := request(t, path, "POST", "/v1/reload", ""); status != 200 || body != want {
		t.Errorf("%d %s", status, body)
	}
}

func TestWhatIsRefusedHasACodeAndTheSentencesOfTheController(t *testing.T) {
	wrong := errors.New("weir.yaml:3: services: unknown key\nweir.yaml:9: ports: missing")
	for code, err := range map[string]error{
		codeInvalid: Invalid{wrong}, codeNeedsRestart: NeedsRestart{wrong}, codeRefused: wrong, codeConflict: Conflict("a\nb"), codeNotFound: NotFound("no\nway"),
	} {
		ctl := &recorder{err: err}
		path, _ := serve(t, viewtest.Sample(), ctl)
		_, got := Dial(path).Reload(t.Context(), ReloadOptions{})
		var refused Refusal
		if !errors.As(got, &refused) || refused.Code != code || refused.Text != err.Error() || refused.Invalid() != (code == codeInvalid) {
			t.Errorf("%s: %#v", code, got)
		}
	}
}

func TestBackendsAreChangedAsTheClientSays(t *testing.T) {
	ctl := &recorder{changes: []string{"~ something"}}
	path, _ := serve(t, viewtest.Sample(), ctl)
	c, ctx := Dial(path), t.Context()
	for name, do := range map[string]func() ([]string, error){
		"web 10.0.0.11:8080 7":                        func() ([]string, error) { return c.SetWeight(ctx, Match{}, "web", v4, 7) },
		"drain dns6 [2001:db8:0:1::53]:53 undo false": func() ([]string, error) { return c.Drain(ctx, Match{}, "dns6", v6, false) },
		"drain dns6 [2001:db8:0:1::53]:53 undo true":  func() ([]string, error) { return c.Drain(ctx, Match{}, "dns6", v6, true) },
		"add web [2001:db8:0:1::53]:53 4":             func() ([]string, error) { return c.AddBackend(ctx, Match{}, "web", v6, 4) },
		"remove web 10.0.0.11:8080":                   func() ([]string, error) { return c.RemoveBackend(ctx, Only(revision), "web", v4) },
		"save force true":                             func() ([]string, error) { return c.Save(ctx, Match{}, true) },
	} {
		ctl.calls = nil
		if got, err := do(); err != nil || !slices.Equal(got, ctl.changes) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		ctl.expect(t, name)
	}
}

func TestServiceNameOfAnyCharacters(t *testing.T) {
	src := viewtest.Sample()
	const name = "a/b c%2F?ü"
	src.ServiceList[0].Name, src.BackendList[0].Service = name, name
	ctl := &recorder{}
	path, _ := serve(t, src, ctl)
	if _, err := Dial(path).Drain(t.Context(), Match{}, name, v4, false); err != nil {
		t.Error(err)
	}
	ctl.expect(t, "drain "+name+" 10.0.0.11:8080 undo false")
}

func TestAChangeMeantForAnotherRevisionIsStale(t *testing.T) {
	ctl := &recorder{}
	path, _ := serve(t, viewtest.Sample(), ctl)
	_, err := Dial(path).SetWeight(t.Context(), Only("5eed-6"), "web", v4, 1)
	var refused Refusal
	if !errors.As(err, &refused) || refused.Code != codeStale || !strings.Contains(refused.Text, revision) {
		t.Errorf("got %v", err)
	}
	ctl.expect(t)
}

func TestIfMatchTakesStrongTagsOnly(t *testing.T) {
	for _, c := range []struct {
		header string
		want   bool
	}{
		{"", true}, {"*", true}, {`"a-1"`, true}, {`"b-1", "a-1"`, true}, {`W/"a-1"`, false}, {`W/"a-1", "a-1"`, true}, {`"a"`, false}, {`""`, false},
	} {
		r := &http.Request{Header: http.Header{}}
		if c.header != "" {
			r.Header.Set("If-Match", c.header)
		}
		if m, err := matchOf(r); err != nil || m.Holds("a-1") != c.want {
			t.Errorf("%s: %t, %v", c.header, m.Holds("a-1"), err)
		}
	}
	for _, header := range []string{"a-1", `"a-1`, "W/", `"a" b`} {
		if _, err := matchOf(&http.Request{Header: http.Header{"If-Match": {header}}}); err == nil {
			t.Errorf("%s is taken", header)
		}
	}
}

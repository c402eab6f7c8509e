package daemon

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestEveryErrorOfARefusedReloadIsALineOfTheLog(t *testing.T) {
	const what = "the configuration was not reloaded; the old one stays in force"
	var many []string
	for i := range maxErrorLines + 5 {
		many = append(many, fmt.Sprintf("weir.yaml:%d: services[%d].mode: \"nut\"", i, i))
	}
	for name, c := range map[string]struct {
		errors []string
		want   []string // message and error
	}{
		"one":  {many[:1], []string{what + " " + many[0]}},
		"two":  {many[:2], []string{what + " 2", "not reloaded " + many[0], "not reloaded " + many[1]}},
		"many": {many, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if c.want == nil {
				c.want = []string{fmt.Sprintf("%s %d", what, len(many))}
				for _, e := range many[:maxErrorLines] {
					c.want = append(c.want, "not reloaded "+e)
				}
				c.want = append(c.want, "not reloaded for more errors, which weir check tells 5")
			}
			var out bytes.Buffer
			d := &Daemon{log: slog.New(slog.NewJSONHandler(&out, nil))}
			d.logRefused("SIGHUP", errors.New(strings.Join(c.errors, "\n")))
			var got []string
			for line := range strings.Lines(out.String()) {
				var l struct {
					Msg, Error string
					Errors     int
				}
				if err := json.Unmarshal([]byte(line), &l); err != nil {
					t.Fatal(err)
				}
				if l.Errors != 0 {
					l.Error = fmt.Sprint(l.Errors)
				}
				got = append(got, l.Msg+" "+l.Error)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestAFileWithErrorsIsToldLineByLine(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+oneService)
	wrong := somePorts + strings.NewReplacer("mode: nat", "mode: nut", "protocol: tcp", "protocol: tpc").Replace(oneService)
	if err := os.WriteFile(r.file, []byte(wrong), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.reload(); err == nil {
		t.Fatal("it was reloaded")
	}
	for _, want := range []string{`in force" by=`, ` errors=2`, `msg="not reloaded" error="`, `.mode: `, `.protocol: `} {
		if !strings.Contains(r.log.String(), want) {
			t.Errorf("no %s in\n%s", want, r.log)
		}
	}
	if strings.Contains(r.log.String(), `\n`) {
		t.Errorf("a line holds several:\n%s", r.log)
	}
}

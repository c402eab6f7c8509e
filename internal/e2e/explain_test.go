package e2e

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestExplainByAFileNeedsNoDaemon(t *testing.T) {
	file := write(t, "weir.yaml", capturePorts("net_null0", "net_null1")+captureConfig)
	out, errs, code := run(t, "explain", "-c", file, "tcp 198.51.100.7:40000 > 203.0.113.10:80")
	for _, want := range []string{
		"service     nat4: tcp 203.0.113.10:80, nat", "rr chooses 10.0.0.11:8080", "destination 10.0.0.11:8080, was 203.0.113.10:80",
		"10.0.0.11 on lan is 02:00:00:00:01:11, static", "verdict     forwarded",
	} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("exit %d, no %q in\n%s%s", code, want, out, errs)
		}
	}
	out, errs, code = run(t, "explain", "-c", file, "-o", "json", "tcp 198.51.100.7:40000 > 203.0.113.10:81")
	var e struct{ Verdict, Reason, Cause, Mend string }
	if err := json.Unmarshal([]byte(out), &e); err != nil || code != 0 || e.Verdict != "dropped" || e.Reason != "no_service" || e.Mend == "" {
		t.Errorf("exit %d, %v: %+v\n%s", code, err, e, errs)
	}
}

package daemon

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/weirlb/weir/slowpath/api/apitest"
)

// TestWhatARealDaemonAnswersIsAsDescribed asks one that has hardly anything for all that it can be asked.
func TestWhatARealDaemonAnswersIsAsDescribed(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+oneService+"  - {name: none, address: \"203.0.113.10:81\", protocol: tcp, mode: nat, backends: []}\n")
	r.drain(second)
	o := apitest.NewOracle(t)
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", r.socket)
		},
	}}
	for path, query := range map[string]string{
		"/v1/services": "", "/v1/backends": "", "/v1/connections": "", "/v1/workers": "", "/v1/ports": "", "/v1/neighbors": "",
		"/v1/drops": "?by=port", "/v1/daemon": "", "/v1/config": "", "/v1/explain": "?packet=tcp+198.51.100.7:40000+%3E+203.0.113.10:80",
	} {
		resp, err := client.Get("http://weir" + path + query)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if err := o.Judge(http.MethodGet, path, resp, body); err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %v\nof %s", resp.Status, err, body)
		}
	}
}

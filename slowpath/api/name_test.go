package api

import "testing"

func TestABackendsPortMayBeMissing(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.11:80": "10.0.0.11:80", "10.0.0.11": "10.0.0.11:0", "[fd00::11]:80": "[fd00::11]:80", "fd00::11": "[fd00::11]:0", "[fd00::11]": "[fd00::11]:0",
		"": "", "web": "", "10.0.0.11:": "", "[10.0.0.11": "", "10.0.0.11:80:80": "", "10.0.0.11:x": "",
	} {
		got, err := ParseBackend(text)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

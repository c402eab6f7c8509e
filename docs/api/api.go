// Package api is the description of the API, which the daemon gives out as well.
package api

import _ "embed" // for Description

// Description is openapi.yaml.
//
//go:embed openapi.yaml
var Description []byte

// Package apitest holds answers of the API against docs/api/openapi.yaml.
package apitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	yaml "go.yaml.in/yaml/v3"

	api "github.com/weirlb/weir/docs/api"
)

// description is openapi.yaml as package jsonschema takes it.
func description(t *testing.T) map[string]any {
	t.Helper()
	var doc map[string]any
	if err := yaml.Unmarshal(api.Description, &doc); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	again, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return again.(map[string]any)
}

// Oracle says whether an answer is as openapi.yaml says.
type Oracle struct {
	doc     map[string]any
	schemas *jsonschema.Compiler
}

const described = "https://weir.test/openapi.json"

// NewOracle reads openapi.yaml.
func NewOracle(t *testing.T) *Oracle {
	t.Helper()
	o := &Oracle{description(t), jsonschema.NewCompiler()}
	o.schemas.DefaultDraft(jsonschema.Draft2020)
	o.schemas.AssertFormat()
	if err := o.schemas.AddResource(described, o.doc); err != nil {
		t.Fatal(err)
	}
	return o
}

// at walks down the document, along references as well, and returns where it has come to.
func (o *Oracle) at(keys ...string) (node map[string]any, pointer string) {
	node, pointer = o.doc, "#"
	for i, k := range keys {
		next, ok := node[k].(map[string]any)
		if !ok {
			return nil, ""
		}
		node, pointer = next, pointer+"/"+strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(k)
		if ref, ok := node["$ref"].(string); ok {
			return o.at(append(strings.Split(strings.TrimPrefix(ref, "#/"), "/"), keys[i+1:]...)...)
		}
	}
	return node, pointer
}

// Judge returns what is wrong with an answer to a method of a path of the document.
func (o *Oracle) Judge(method, path string, resp *http.Response, body []byte) error {
	responses, where := o.at("paths", path, strings.ToLower(method), "responses")
	if responses == nil {
		return fmt.Errorf("%s %s is not described", method, path)
	}
	found, pointer := o.at("paths", path, strings.ToLower(method), "responses", strconv.Itoa(resp.StatusCode))
	if found == nil {
		return fmt.Errorf("%s %s: status %d is not at %s", method, path, resp.StatusCode, where)
	}
	if tag, _ := o.at("paths", path, strings.ToLower(method), "responses", strconv.Itoa(resp.StatusCode), "headers", "ETag"); (tag != nil) != (resp.Header.Get("ETag") != "") && resp.StatusCode != http.StatusNotModified {
		return fmt.Errorf("%s %s %d: ETag %q", method, path, resp.StatusCode, resp.Header.Get("ETag"))
	}
	content, ok := found["content"].(map[string]any)
	if !ok {
		if len(body) > 0 {
			return fmt.Errorf("%s %s %d has a body: %s", method, path, resp.StatusCode, body)
		}
		return nil
	}
	kind := resp.Header.Get("Content-Type")
	if content[kind] == nil {
		return fmt.Errorf("%s %s %d: the content type %q is not at %s", method, path, resp.StatusCode, kind, pointer)
	}
	var value any = string(body)
	if strings.HasSuffix(kind, "json") {
		var err error
		if value, err = jsonschema.UnmarshalJSON(bytes.NewReader(body)); err != nil {
			return err
		}
	}
	schema, err := o.schemas.Compile(described + pointer + "/content/" + strings.ReplaceAll(kind, "/", "~1") + "/schema")
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

package apitest

import (
	"os"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// TestTheDescriptionIsOpenAPI has the schema that the OpenAPI Initiative publishes, spec.openapis.org/oas/3.1/schema.
func TestTheDescriptionIsOpenAPI(t *testing.T) {
	f, err := os.Open("testdata/openapi-3.1.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	meta, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("https://weir.test/meta.json", meta); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("https://weir.test/meta.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(description(t)); err != nil {
		t.Error(err)
	}
}

package config

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("topology.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("topology.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// value is a YAML file as JSON has it.
func value(t *testing.T, data []byte) (any, error) {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(data, &v); err != nil {
		return nil, err
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(text))
}

// TestSchemaTakesGoodFiles: what loads, an editor that knows the schema does not underline.
func TestSchemaTakesGoodFiles(t *testing.T) {
	schema := compiled(t)
	good, err := filepath.Glob("testdata/good/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := filepath.Glob("../examples/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range slices.Concat(good, examples) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		v, err := value(t, data)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if len(good) < 20 || len(examples) < 8 {
		t.Errorf("%d good files and %d examples, which cannot be all", len(good), len(examples))
	}
}

// seenBySchema is bad files whose mistake a schema can see. In the others it is in how parts of the file fit together, or in
// what YAML does not hand on.
const seenBySchema = `
alias-wildcard at-unquoted brackets-unquoted brackets-unquoted-address cluster-not-a-host cluster-number colon-unquoted
control-character deadline-no-unit defaults-key defaults-kind dns-hosts dns-keys dns-nameservers dns-nameservers-missing
dns-records-kind dns-zone-keys duplicate-key duplicate-key-nested empty key-list many max-shrink min-healthy no-cluster
no-nodes node-address-kind node-key node-name node-port node-scalar node-state node-weight nodes-empty nodes-mapping
not-utf-8 null-keys null-section numbers override-key override-scalar quote-open region-address region-continent-unknown
region-country-unknown region-failover region-key region-location region-location-range region-name region-reach
region-state regions-empty role-mapping role-word roles-twice service-accept-proxy service-allow service-attempts
service-balance service-check service-key service-limits service-listen service-listen-twice service-paths-form
service-port service-protocol service-proxy service-regional-listen-kind service-scalar service-slow-start
service-source service-starttls service-timeouts service-tls syntax syntax-flow syntax-mapping-in-value tab tls-keys
too-deep too-deep-indented top-list unknown-key unknown-key-far yes-no`

func TestSchemaRefusesBadFiles(t *testing.T) {
	schema := compiled(t)
	for _, name := range strings.Fields(seenBySchema) {
		data, err := os.ReadFile(filepath.Join("testdata/bad", name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		v, err := value(t, data)
		if err == nil {
			err = schema.Validate(v)
		}
		if err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

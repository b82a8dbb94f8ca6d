// Prints what Argo CD sees in each object of a List on standard input: its health, and whether it differs from what
// was last applied. Output: a JSON object, `kind/name` to that.
package main

import (
	"encoding/json"
	"log"
	"os"
	"strings"

	"github.com/argoproj/gitops-engine/pkg/diff"
	"github.com/argoproj/gitops-engine/pkg/health"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type seen struct {
	Health  health.HealthStatusCode `json:"health"` // empty: Argo CD judges no object of this kind
	Message string                  `json:"message"`
	Synced  bool                    `json:"synced"`
}

func main() {
	list := unstructured.UnstructuredList{}
	if err := json.NewDecoder(os.Stdin).Decode(&list); err != nil {
		log.Fatal(err)
	}
	all := map[string]seen{}
	for _, object := range list.Items {
		one, err := see(&object)
		if err != nil {
			log.Fatal(err)
		}
		all[strings.ToLower(object.GetKind())+"/"+object.GetName()] = one
	}
	if err := json.NewEncoder(os.Stdout).Encode(all); err != nil {
		log.Fatal(err)
	}
}

func see(object *unstructured.Unstructured) (seen, error) {
	one := seen{}
	status, err := health.GetResourceHealth(object, nil)
	if err != nil {
		return one, err
	}
	if status != nil {
		one.Health, one.Message = status.Status, status.Message
	}
	applied, err := diff.GetLastAppliedConfigAnnotation(object)
	if err != nil || applied == nil {
		return one, err
	}
	result, err := diff.Diff(applied, object)
	if err != nil {
		return one, err
	}
	one.Synced = !result.Modified
	return one, nil
}

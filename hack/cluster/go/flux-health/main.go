// Prints the status that Flux sees in each object of a List on standard input, as a JSON object of name to status.
// The health checks of a HelmRelease or Kustomization (healthCheckExprs, as JSON) may be the argument.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"strings"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling/engine"
	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	"github.com/fluxcd/pkg/runtime/statusreaders"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type health struct {
	Status  status.Status `json:"status"`
	Message string        `json:"message"`
}

func main() {
	list := unstructured.UnstructuredList{}
	if err := json.NewDecoder(os.Stdin).Decode(&list); err != nil {
		log.Fatal(err)
	}
	checks := []kustomize.CustomHealthCheck{}
	if len(os.Args) > 1 {
		if err := json.Unmarshal([]byte(os.Args[1]), &checks); err != nil {
			log.Fatal(err)
		}
	}
	newReader, err := cel.NewStatusReader(checks)
	if err != nil {
		log.Fatal(err)
	}
	readers := []engine.StatusReader{newReader(nil), statusreaders.NewCustomJobStatusReader(nil)}
	healths := map[string]health{}
	for _, object := range list.Items {
		healths[strings.ToLower(object.GetKind())+"/"+object.GetName()] = see(&object, readers)
	}
	if err := json.NewEncoder(os.Stdout).Encode(healths); err != nil {
		log.Fatal(err)
	}
}

// As the first of the readers that knows the kind sees it, or else as kstatus does.
func see(object *unstructured.Unstructured, readers []engine.StatusReader) health {
	for _, reader := range readers {
		if reader.Supports(object.GroupVersionKind().GroupKind()) {
			seen, err := reader.ReadStatusForObject(context.Background(), nil, object)
			if err != nil {
				log.Fatal(err)
			}
			if seen.Error != nil {
				return health{seen.Status, seen.Error.Error()}
			}
			return health{seen.Status, seen.Message}
		}
	}
	seen, err := status.Compute(object)
	if err != nil {
		log.Fatal(err)
	}
	return health{seen.Status, seen.Message}
}

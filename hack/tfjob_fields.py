"""Write the field paths of the TFJob CRD to tests/unit/tool/convert/tfjob-fields.txt.

    cd hack/cluster/go/training-operator; go list -m -f '{{.Dir}}' github.com/kubeflow/training-operator
    python3 -m hack.tfjob_fields THAT/manifests/base/crds/kubeflow.org_tfjobs.yaml

One path a line with its type: `*` is any key of a map, `[]` an item of a list. The CRD itself has 1 MB. The part of a
list or map that occurs several times (initContainers, ephemeralContainers are like containers) is written once.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

TO = Path(__file__).parent.parent / "tests/unit/tool/convert/tfjob-fields.txt"
_LIKE_CONTAINERS = ("initContainers[]", "ephemeralContainers[]")


def paths(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """The paths of all leaves below a schema."""
    if schema.get("properties"):
        for name, child in schema["properties"].items():
            yield from paths(child, f"{path}.{name}" if path else name)
    elif isinstance(schema.get("additionalProperties"), dict):
        yield from paths(schema["additionalProperties"], f"{path}.*")
    elif schema.get("type") == "array":
        yield from paths(schema["items"], f"{path}[]")
    else:
        yield f"{path} {schema.get('type', 'quantity')}"


def main() -> None:
    """Read the CRD that the command line names."""
    crd = yaml.safe_load(Path(sys.argv[1]).read_text("utf-8"))
    fields = list(paths(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]))
    once = [path for path in fields if not any(like in path for like in _LIKE_CONTAINERS)]
    once += [f"spec.tfReplicaSpecs.*.template.spec.{like}.name string" for like in _LIKE_CONTAINERS]
    once = [path for path in once if not path.startswith(("apiVersion ", "kind "))]
    TO.write_text("".join(f"{path}\n" for path in once), "utf-8")


if __name__ == "__main__":
    main()

"""A Kubernetes object in place of values is one error, which says what makes values of it."""

from __future__ import annotations

import pytest

from tests.unit.tool.conftest import Find

TFJOB = "apiVersion: kubeflow.org/v1\nkind: TFJob\nmetadata: {name: digits}\nspec: {tfReplicaSpecs: {}}\n"


@pytest.mark.parametrize(
    ("text", "line", "fix"),
    [
        (TFJOB, 2, "convert it: tfconfig convert {file} > values.yaml"),
        (TFJOB.replace("TFJob", '"TFJob"'), 2, "convert it: tfconfig convert {file} > values.yaml"),
        ("apiVersion: v1\nkind: List\nitems:\n  - apiVersion: kubeflow.org/v1\n    kind: TFJob\n", 2, "convert it: "),
        (f"apiVersion: v1\nkind: ConfigMap\n---\n{TFJOB}", 2, "convert it: "),
        ('{"apiVersion": "kubeflow.org/v1", "kind": "TFJob"}', 1, "convert it: "),
        ("apiVersion: batch.volcano.sh/v1alpha1\nkind: Job\n", 2, "convert it: "),
        ("apiVersion: batch/v1\nkind: Job\n", 2, "write values with tfconfig init; tfconfig convert {file} says why"),
        (
            "apiVersion: jobset.x-k8s.io/v1alpha2\nkind: JobSet\n",
            2,
            "write values with tfconfig init; tfconfig convert",
        ),
        ("apiVersion: kubeflow.org/v1\nkind: PyTorchJob\n", 2, "write values with tfconfig init; tfconfig convert"),
        ("apiVersion: v1\nkind: ConfigMap\ndata: {a: b}\n", 2, "give a values file; tfconfig init writes one"),
    ],
)
def test_an_object_is_one_error_that_says_what_to_do(find: Find, text: str, line: int, fix: str) -> None:
    (diagnostic,) = find(text)
    assert (diagnostic.rule, diagnostic.line, diagnostic.severity) == ("TFC006", line, "error")
    assert diagnostic.fix.startswith(fix.format(file=diagnostic.file))


@pytest.mark.parametrize("text", ["kind: TFJob\n", "apiVersion: v1\n", "apiVersion: {}\nkind: x\n"])
def test_less_than_an_object_is_unknown_keys(find: Find, text: str) -> None:
    assert {diagnostic.rule for diagnostic in find(text)} >= {"TFC010"}

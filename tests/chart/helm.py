"""Renders the chart: by the Helm 4 engine of helm-python-sdk, or by a `helm` program (tests/cluster/test_rendering.py).

All that the tests know about helm-python-sdk, a young package, is in this module.
"""

from __future__ import annotations

import functools
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import helm_python
import yaml

CHART = Path(__file__).resolve().parents[2] / "chart"
SDK = "helm-python-sdk"

Values = dict[str, Any]
Object = dict[str, Any]

# The least that makes a job.
PROGRAM: Values = {"program": {"command": ["python3", "-m", "train"]}}


class RefusedError(Exception):
    """Helm refused to render; the text is its message."""


@dataclass(frozen=True)
class Rendered:
    """The objects of a release, and its notes."""

    objects: list[Object]
    notes: str

    def all(self, kind: str) -> list[Object]:
        """All objects of a kind."""
        return [item for item in self.objects if item["kind"] == kind]

    def one(self, kind: str, name: str | None = None) -> Object:
        """The only object of a kind, or the one of that name."""
        items = [item for item in self.all(kind) if name in (None, item["metadata"]["name"])]
        assert len(items) == 1, f"{kind} {name}: {[item['metadata']['name'] for item in self.all(kind)]}"
        return items[0]

    def set_of(self, role: str) -> Object:
        """The StatefulSet of a role."""
        sets = [item for item in self.all("StatefulSet") if item["metadata"]["labels"]["tensorflow-job/role"] == role]
        assert len(sets) == 1, f"{role}: {sets}"
        return sets[0]

    def pod_of(self, role: str) -> Object:
        """The pod spec of a role."""
        spec: Object = self.set_of(role)["spec"]["template"]["spec"]
        return spec

    def container_of(self, role: str) -> Object:
        """The training container of a role."""
        container: Object = next(item for item in self.pod_of(role)["containers"] if item["name"] == "tensorflow")
        return container

    def lifecycle(self) -> Object:
        """The pod spec of the lifecycle Job."""
        spec: Object = self.one("Job")["spec"]["template"]["spec"]
        return spec

    def job_spec(self) -> Values:
        """job.json."""
        config = next(item for item in self.all("ConfigMap") if "job.json" in item.get("data", {}))
        spec: Values = json.loads(config["data"]["job.json"])
        return spec

    def status(self) -> Object:
        """The ConfigMap for status.json."""
        return self.one("ConfigMap", f"{self.job_spec()['name']}-status")


def ci_values() -> dict[str, Values]:
    """The values files of chart/ci by name."""
    files = sorted((CHART / "ci").glob("*-values.yaml"))
    return {file.name.removesuffix("-values.yaml"): yaml.safe_load(file.read_text("utf-8")) for file in files}


@functools.cache
def rendered_ci(name: str) -> Rendered:
    """What a values file of chart/ci makes."""
    return render(ci_values()[name])


def merged(*layers: Values) -> Values:
    """Values files merged as `-f a -f b` does."""
    result: Values = {}
    for layer in layers:
        for key, value in layer.items():
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = merged(result[key], value) if both else value
    return result


def render(
    values: Values,
    *,
    release: str = "digits",
    namespace: str = "team",
    chart: Path = CHART,
    engine: str = SDK,
) -> Rendered:
    """What `helm install RELEASE` would install. Raises RefusedError if it would fail."""
    manifests = render_texts(values, release=release, namespace=namespace, chart=chart, engine=engine)
    notes = "".join(text for path, text in manifests.items() if path.endswith("NOTES.txt"))
    texts = [text for path, text in manifests.items() if not path.endswith("NOTES.txt")]
    # The C loader, where PyYAML has it, is ten times as fast.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    objects = [item for text in texts for item in yaml.load_all(text, Loader=loader) if item]
    return Rendered(objects, notes)


def render_texts(
    values: Values,
    *,
    release: str = "digits",
    namespace: str = "team",
    chart: Path = CHART,
    engine: str = SDK,
) -> dict[str, str]:
    """The texts of a release as Helm renders them, by template. Raises RefusedError if it would fail."""
    by_engine = _by_sdk if engine == SDK else functools.partial(_by_binary, engine)
    return by_engine(values, release, namespace, chart)


def lint(values: Values) -> list[str]:
    """Messages of `helm lint` beyond hints."""
    hint = 1
    messages = helm_python.lint(CHART, values, strict=True)["messages"]
    return [f"{message['path']}: {message['error']}" for message in messages if message["severity"] > hint]


def package(folder: Path) -> Path:
    """The archive that `helm package` makes."""
    return Path(helm_python.package(CHART, destination=folder))


@functools.cache
def _load(chart: Path) -> helm_python.Chart:
    return helm_python.Chart.load(chart)


def _by_sdk(values: Values, release: str, namespace: str, chart: Path) -> dict[str, str]:
    try:
        # `helm install` refuses these names before it renders; the engine alone does not.
        helm_python.validate_release_name(release)
        loaded = _load(chart) if chart == CHART else helm_python.Chart.load(chart)
        return loaded.render(values, name=release, namespace=namespace)
    except helm_python.HelmError as error:
        raise RefusedError(str(error)) from error


def _by_binary(program: str, values: Values, release: str, namespace: str, chart: Path) -> dict[str, str]:
    # Without a cluster, a Helm 3 that was built without its Makefile assumes Kubernetes 1.20.
    command = [
        program,
        "template",
        release,
        str(chart),
        "--namespace",
        namespace,
        "--kube-version",
        "1.28",
        "--values",
        "-",
    ]
    done = subprocess.run(command, input=json.dumps(values), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RefusedError(done.stderr)
    return {"all": done.stdout}

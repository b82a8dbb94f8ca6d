"""No input crashes the tool: whatever bytes a file has, there is a list of diagnostics, in bounded memory."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.chart import helm
from tests.unit.tool import generated
from tfconfig.checking.findings import findings
from tfconfig.diagnostics import Diagnostic
from tfconfig.values.chart import bundled
from tfconfig.values.load import load

EXAMPLES = settings(
    max_examples=int(os.environ.get("TFCONFIG_EXAMPLES", "150")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def found_in(content: bytes) -> list[Diagnostic]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "values.yaml")
        file.write_bytes(content)
        return findings(load([str(file)]), "digits")


@EXAMPLES
@given(st.binary(max_size=200))
def test_any_bytes(content: bytes) -> None:
    found_in(content)


TEXTS = [(helm.CHART / "ci" / f"{name}-values.yaml").read_bytes() for name in helm.ci_values()]


@EXAMPLES
@given(st.sampled_from(TEXTS), st.data())
def test_right_file_with_a_piece_torn_out_or_put_in(text: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(start + 80, len(text))))
    piece = data.draw(
        st.sampled_from([b"", b"\t", b"[", b"{", b"*a", b"&a ", b"<<: ", b"\xff", b"\0", b": ", b"- ", b"~"])
    )
    found_in(text[:start] + piece + text[end:])


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)
KEYS = st.sampled_from(sorted(bundled().schema["properties"]))


@EXAMPLES
@example({"strategy": []})
@example({"securityContext": {"capabilities": {"add": "3"}}})
@example({"worker": {"env": {"A": None, "B": {}}}, "env": []})
@example({"checkpoint": {"size": "1e99999999999"}, "resources": {"limits": {"cpu": 1e308, "memory": ""}}})
@given(st.dictionaries(KEYS, JSON, max_size=4))
def test_anything_under_the_charts_keys(values: dict[str, Any]) -> None:
    found_in(json.dumps({**helm.PROGRAM, **values}).encode())


@EXAMPLES
@given(generated.spoiled_parts(), KEYS, JSON)
def test_anything_deep_inside(values: dict[str, Any], key: str, value: Any) -> None:
    found_in(json.dumps({**values, key: value}).encode())


@pytest.mark.parametrize("name", ["everything", "observed"])
def test_null_for_any_key_is_read_or_refused(name: str) -> None:
    """It takes the default away, as in Helm: rules meet each key missing."""
    defaults, values = (
        yaml.safe_load((helm.CHART / file).read_text("utf-8")) for file in ("values.yaml", f"ci/{name}-values.yaml")
    )
    for path in _paths(helm.merged(defaults, values)):
        null: Any = None
        for key in reversed(path):
            null = {key: null}
        found_in(json.dumps(helm.merged(values, null)).encode())


def _paths(values: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for key, value in values.items():
        yield (key,)
        if isinstance(value, dict):
            yield from ((key, *path) for path in _paths(value))


def bomb(levels: int) -> bytes:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(lines).encode()


HOSTILE = {
    "alias bomb": bomb(10),
    "alias bomb in merges": b"a: &a {k: 1}\n"
    + b"".join(b"b%d: {<<: [%s]}\n" % (i, b",".join([b"*a"] * 900)) for i in range(60)),
    "deep lists": b"a: " + b"[" * 1_000_000,
    "deep maps": b"".join(b" " * i + b"a:\n" for i in range(3000)),
    "invalid UTF-8": b"env: {A: '\xff\xfe'}",
    "no text": b"\xff" * 1_000_000,
    "10 MB of a value": b"env: {A: " + b"x" * 10_000_000 + b"}",
    "10 MB of keys": b"env:\n" + b"".join(b"  A%07d: x\n" % i for i in range(770_000)),
    "2 MB of errors": b"env:\n" + b"".join(b"  %06d: x\n" % i for i in range(190_000)),
    "many unknown keys": b"".join(b"key%05d: x\n" % i for i in range(5000)),
    "a large list of containers": b"extraContainers:\n" + b"- {name: a, image: b}\n" * 5000,
}
MEGABYTES = 1500
HANG_SECONDS = 250  # far more than it takes on a busy machine


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file_is_reported_in_bounded_memory(name: str, tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_bytes(HOSTILE[name])
    done = subprocess.run(
        [sys.executable, "-m", "tfconfig", "validate", "-o", "json", str(file)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEGABYTES << 20, MEGABYTES << 20)),
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    assert done.returncode == 1, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    assert json.loads(done.stdout)["diagnostics"]

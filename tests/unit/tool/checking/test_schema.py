"""What the chart's schema refuses is reported in plain words, with the fix, at the line that has it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.tool.conftest import Find
from tfconfig.checking import schema
from tfconfig.checking.patterns import DESCRIPTIONS
from tfconfig.values.chart import Chart, bundled
from tfconfig.values.load import load
from tfconfig.values.set_flags import SetFlags

PROGRAM = "program: {command: [python3, -m, train]}\n"


@pytest.mark.parametrize(
    ("line", "column", "rule", "says"),
    [
        ("worker: {replica: 3}", 10, "TFC010", "worker.replica: unknown key; did you mean replicas?"),
        ("Worker: {}", 1, "TFC010", "Worker: unknown key; did you mean worker?"),
        ("backoffLimit: 3", 1, "TFC010", "backoffLimit: unknown key; did you mean restart.backoffLimit?"),
        ("cleanup: {zzz: 1}", 11, "TFC010", "zzz: unknown key; remove it; the keys here are onSuccess, onFailure"),
        ("n: 2", 1, "TFC010", "false: unknown key"),
        (
            "hostNetwork: true",
            1,
            "TFC010",
            "hostNetwork: unknown key; remove it: hostNetwork is not supported, because no network policy",
        ),
        (
            "podLabels: {a: $(JOBS)}",
            16,
            "TFC012",
            "a label value (letters, digits and - _ . inside), $(JOB), $(RUN_ID)",
        ),
        ('worker: {replicas: "3"}', 20, "TFC011", 'expected an integer, found the string "3"; remove the quotes'),
        ("worker: {replicas: 1.5}", 20, "TFC011", "expected an integer, found the number 1.5; use an integer"),
        ("worker: {replicas: three}", 20, "TFC011", 'found the string "three"; use an integer'),
        ('suspend: "yes"', 10, "TFC011", 'expected a boolean, found the string "yes"; remove the quotes'),
        (
            "image: {tag: 2.21}",
            14,
            "TFC011",
            "image.tag: expected a string, found the number 2.21; quote the value",
        ),
        ("env: {A: 1.5}", 10, "TFC011", "found a number; quote the value"),
        ("python: python3", 9, "TFC011", 'expected a list, found the string "python3"; write a list'),
        ("worker: 3", 9, "TFC011", "worker: expected a map, found the number 3; write a map: {replicas: 3}"),
        ("image: tf:2.15", 8, "TFC011", 'write a map: {repository: tf, tag: "2.15"}'),
        ("image: r:5000/tf@sha256:ab", 8, "TFC011", "write a map: {repository: r:5000/tf, digest: sha256:ab}"),
        ("imagePullSecrets: [regcred]", 20, "TFC011", "write a map: {name: regcred}"),
        ("env: [{name: A, value: b}]", 6, "TFC011", "write a map: {A: …}"),
        ("restart: OnFailure", 10, "TFC011", "write a map: {policy: OnFailure}"),
        ("runPolicy: {}", 1, "TFC010", "set restart, cleanup, deadlines and suspend; tfconfig convert does it"),
        ("cleanPodPolicy: All", 1, "TFC010", "set cleanup.onSuccess and cleanup.onFailure"),
        ("schedulingPolicy: {}", 1, "TFC010", "set podGroup.scheduler and podGroup.queue"),
        ("tfReplicaSpecs: {}", 1, "TFC010", "write the roles at the top: chief, worker, ps, evaluator"),
        ("ttlSecondsAfterFinished: 60", 1, "TFC010", "a release cannot remove itself"),
        ("worker: {ports: []}", 10, "TFC010", "worker.ports: unknown key; set container.ports"),
        ("serviceAccountName: trainer", 1, "TFC010", "set podSpec.serviceAccountName"),
        ("worker: {command: [x]}", 10, "TFC010", "did you mean worker.program.command"),
        ("strategy: ParametersServer", 11, "TFC012", "did you mean ParameterServer?"),
        ("restart: {policy: onFailure}", 19, "TFC012", "did you mean OnFailure?"),
        ("restart: {policy: zzz}", 19, "TFC012", "use one of Never, OnFailure, ExitCode"),
        ("worker: {replicas: -1}", 20, "TFC012", "worker.replicas: -1 is less than 0; use 0 to 100000"),
        ("chief: {replicas: 2}", 19, "TFC012", "chief.replicas: 2 is more than 1; use 0 or 1"),
        ("deadlines: {activeSeconds: 0}", 28, "TFC012", "0 is less than 1; use 1 or more"),
        (
            "restart: {policy: Always}",
            19,
            "TFC012",
            "use OnFailure; restart.alwaysRoles has the roles that start again",
        ),
        (
            "podGroup: {scheduler: x}",
            23,
            "TFC012",
            'is not one of "", Kubernetes, Volcano, Coscheduling; use one of "", K',
        ),
        ("worker: {replicas: 99999999999999999999}", 20, "TFC012", "worker.replicas: 1e+20 is more than 100000"),
        ("worker:{replicas: 2}", 1, "TFC010", "unknown key; write a blank after the colon: worker: {replicas"),
        ("worker: replicas:2", 9, "TFC011", 'string "replicas:2"; write a blank after the colon: replicas: 2'),
        ("data: {set: /data}", 13, "TFC011", "write a map: {mountPath: /data, existingClaim: …}"),
        ("data: {set: images}", 13, "TFC011", "write a map: {mountPath: …, existingClaim: images}"),
        ("data: {set: {mountPath: /d, nfs: {}}}", 29, "TFC010", "data.set.nfs: unknown key; write volume: {nfs: …}"),
        ("data: {set: {mountPath: /d, persistentVolumeClaim: {}}}", 29, "TFC010", "set existingClaim to its name"),
        ("checkpoint: {size: 100}", 20, "TFC011", "found the number 100; did you mean 100Gi?"),
        ("checkpoint: {size: 107374182400}", 20, "TFC011", "found the number 107374182400; quote the value"),
        ("program: [python3, true]", 10, "TFC011", "write a map: {command: [python3, true]}"),
        (
            "image: {repository: Team/A}",
            21,
            "TFC012",
            '"Team/A" has the wrong format; write it in lowercase letters: team/a',
        ),
        ("image: {repository: https://a/b}", 21, "TFC012", "write it without the scheme: a/b"),
        ("image: {repository: a b}", 21, "TFC012", "write it without blanks, such as tensorflow/tensorflow"),
        ("image: {repository: a/b@sha256:1}", 21, "TFC012", "write it with its digest in image.digest: a/b"),
        ("image: {repository: a/b:1}", 21, "TFC012", "write it with its tag in image.tag: a/b"),
        (
            "image: {repository: http://a/B:1}",
            21,
            "TFC012",
            "without the scheme and with its tag in image.tag and in lower",
        ),
        ("image: {repository: -a}", 21, "TFC012", "use an image without its tag, such as tensorflow/tensorflow"),
        ("checkpoint: {size: 10GB}", 20, "TFC012", "a Kubernetes quantity, such as 8Gi or 500m"),
        ("checkpoint: {mountPath: data}", 25, "TFC012", "an absolute path"),
        ("checkpoint: {accessModes: []}", 27, "TFC012", "use at least 1"),
        ("restart: {retryableExitCodes: [1, 1]}", 31, "TFC012", "duplicate entries; remove the duplicates"),
        ("nodeSelector: {a b: c}", 16, "TFC012", """nodeSelector.'a b': the key "a b" has the wrong format"""),
        (
            "cleanup: null",
            10,
            "TFC013",
            "cleanup: null, but required; set a value, or remove the key to use the default",
        ),
        ("imagePullSecrets: [{name: null}]", 27, "TFC011", "found nothing (null); use a string, or remove the key"),
        ("imagePullSecrets: [{}]", 20, "TFC013", "imagePullSecrets[0].name: missing; add name"),
    ],
)
def test_an_error_is_reported_at_its_place_with_its_fix(
    find: Find, line: str, column: int, rule: str, says: str
) -> None:
    diagnostics = find(PROGRAM + line + "\n")
    (first,) = [item for item in diagnostics if item.rule == rule]
    assert (first.line, first.column) == (2, column)
    assert says in f"{first.message}; {first.fix}"


def test_text_of_a_set_argument_is_to_be_set_with_set_string(find: Find) -> None:
    (diagnostic,) = find(PROGRAM, SetFlags(typed=("program.args={1}",)))
    assert (diagnostic.file, diagnostic.line, diagnostic.fix) == ("--set program.args={1}", 0, "use --set-string")


def test_end_of_a_text_is_the_end_as_in_go(find: Find) -> None:
    (diagnostic,) = find(PROGRAM + 'checkpoint: {size: "10Gi\\n"}\n')
    assert diagnostic.path == "checkpoint.size"


def patterns(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("pattern"), str):
            yield part["pattern"]
        part = list(part.values())
    if isinstance(part, list):
        for child in part:
            yield from patterns(child)


def test_every_pattern_of_the_schema_has_a_description() -> None:
    assert set(patterns(bundled().schema)) - set(DESCRIPTIONS) == set()


@pytest.fixture
def with_alternatives(tmp_path: Path) -> Chart:
    port = {"type": "object", "properties": {"port": {"type": "integer"}}, "required": ["port"]}
    (tmp_path / "values.yaml").write_text("{}", "utf-8")
    (tmp_path / "Chart.yaml").write_text("name: tensorflow-job", "utf-8")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "strategies.json").write_text('{"ParameterServer": {}}', "utf-8")
    (tmp_path / "values.schema.json").write_text(
        json.dumps({"properties": {"a": {"oneOf": [{"type": "string"}, port]}}}), "utf-8"
    )
    return Chart(tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: {port: x}", 'a.port: expected an integer, found the string "x"'),
        ("a: {}", "a.port: missing"),
        ("a: 3", "a: expected a string or a map, found the number 3"),
    ],
)
def test_of_alternatives_the_one_that_was_meant_is_explained(
    with_alternatives: Chart, tmp_path: Path, text: str, says: str
) -> None:
    file = tmp_path / "user.yaml"
    file.write_text(text, "utf-8")
    (diagnostic,) = schema.check(load([str(file)], chart=with_alternatives))
    assert diagnostic.message == says

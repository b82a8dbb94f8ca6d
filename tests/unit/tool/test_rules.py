"""Each rule across fields: a file that breaks it, where that is reported, and the same file put right."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfconfig import layout, rules
from tfconfig.chart import bundled
from tfconfig.document import plain
from tfconfig.entrypoint import cluster
from tfconfig.setflags import SetFlags

from .conftest import Find

PROGRAM = "program: {command: [python3, train.py]}\n"


@dataclass(frozen=True)
class Example:
    rule: str
    bad: str
    at: tuple[int, int]
    good: str
    program: str = PROGRAM


EXAMPLES = [
    Example("TFC101", "fullnameOverride: 9digits", (2, 19), "fullnameOverride: digits9"),
    Example("TFC101", f"fullnameOverride: {'a' * 43}", (2, 19), f"fullnameOverride: {'a' * 42}"),
    Example("TFC101", "fullnameOverride: a.b", (2, 19), "fullnameOverride: a-b"),
    Example("TFC102", "program: {args: [x]}", (2, 1), PROGRAM, program="\n"),
    Example("TFC102", "program: {command: []}", (2, 20), PROGRAM, program="\n"),
    Example(
        "TFC103",
        "program: {command: [x], files: {a.py: ''}, existingConfigMap: c}",
        (2, 44),
        "program: {command: [x], files: {a.py: null}, existingConfigMap: c}",
        program="\n",
    ),
    Example(
        "TFC104",
        f"program: {{command: [x], files: {{a.py: {'x' * 921601}}}}}",
        (2, 25),
        f"program: {{command: [x], files: {{a.py: {'x' * 921600}}}}}",
        program="\n",
    ),
    Example("TFC110", "chief: {replicas: 0}", (2, 19), "chief: {replicas: 1}"),
    Example("TFC110", "worker: {replicas: 0}", (2, 20), "worker: {replicas: 1}"),
    Example("TFC110", "ps: {replicas: 0}", (2, 16), "ps: {replicas: 1}"),
    Example("TFC110", "{strategy: BetweenGraph, ps: {replicas: 0}}", (2, 41), "{strategy: BetweenGraph}", program=""),
    Example(
        "TFC110",
        "strategy: InGraph\nps: {replicas: 0}\nworker: {replicas: 0}",
        (4, 20),
        "strategy: InGraph\nps: {replicas: 1}\nworker: {replicas: 0}",
    ),
    Example(
        "TFC111",
        "strategy: MultiWorkerMirrored\nps: {replicas: 2}",
        (3, 16),
        "strategy: MultiWorkerMirrored\nps: {replicas: 0}",
    ),
    Example(
        "TFC111",
        "strategy: Custom\nps: {replicas: 2}\nworker: {replicas: 0}",
        (3, 16),
        "strategy: Custom\nps: {replicas: 2}\nworker: {replicas: 1}",
    ),
    Example("TFC112", "strategy: Custom\nworker: {replicas: 0}", (3, 20), "strategy: Custom\nchief: {replicas: 1}"),
    Example(
        "TFC120",
        "strategy: Custom\ncompletion: {successPolicy: Chief}",
        (3, 29),
        "strategy: Custom\ncompletion: {successPolicy: AllWorkers}",
    ),
    Example("TFC120", "completion: {successPolicy: AllWorkers}", (2, 29), "completion: {successPolicy: Chief}"),
    Example(
        "TFC120",
        "strategy: Custom\nchief: {replicas: 1}\nworker: {replicas: 0}\ncompletion: {successPolicy: Worker0}",
        (5, 29),
        "strategy: Custom\nchief: {replicas: 1}\nworker: {replicas: 1}\ncompletion: {successPolicy: Worker0}",
    ),
    Example("TFC130", "worker: {replicas: 4500}", (2, 20), "worker: {replicas: 3000}"),
    Example("TFC140", "env: {TF_CONFIG: x}", (2, 7), "env: {TF_CONFIG: null}"),
    Example("TFC140", "ps:\n  env:\n    PS_HOSTS: x", (4, 5), "ps:\n  env:\n    MY_HOSTS: x"),
    Example(
        "TFC141",
        "env: {DATA: x}\ndata: {d: {mountPath: /d, existingClaim: c, env: DATA}}",
        (3, 50),
        "env: {DATA: x}\ndata: {d: {mountPath: /d, existingClaim: c, env: DIR}}",
    ),
    Example("TFC150", "worker: {gpus: 2, resources: {limits: {nvidia.com/gpu: 1}}}", (2, 16), "worker: {gpus: 2}"),
    Example("TFC150", "worker: {resources: {limits: {amd.com/gpu: 1}}}", (2, 44), "gpuResource: amd.com/gpu"),
    Example(
        "TFC160",
        "checkpoint: {enabled: false, existingClaim: c}",
        (2, 45),
        "checkpoint: {enabled: true, existingClaim: c}",
    ),
    Example("TFC170", "data: {d: {mountPath: /d}}", (2, 8), "data: {d: {mountPath: /d, existingClaim: c}}"),
    Example(
        "TFC170",
        "data: {d: {mountPath: /d, existingClaim: c, volume: {emptyDir: {}}}}",
        (2, 8),
        "data: {d: {mountPath: /d, volume: {emptyDir: {}}}}",
    ),
    Example(
        "TFC171",
        "data: {d: {mountPath: /checkpoints/, existingClaim: c}}",
        (2, 23),
        "data: {d: {mountPath: /data, existingClaim: c}}",
    ),
    Example(
        "TFC172",
        "extraVolumes: [{name: state, emptyDir: {}}]",
        (2, 15),
        "extraVolumes: [{name: other, emptyDir: {}}]",
    ),
    Example(
        "TFC173",
        "extraVolumeMounts: [{name: x, mountPath: /x}]",
        (2, 20),
        "extraVolumeMounts: [{name: state, mountPath: /x}]",
    ),
    Example(
        "TFC174",
        "extraContainers: [{name: tensorflow, image: x}]",
        (2, 18),
        "extraContainers: [{name: logs, image: x}]",
    ),
    Example("TFC180", "podLabels: {tensorflow-job/job: x}", (2, 13), "podLabels: {team: x}"),
    Example("TFC180", "chief:\n  podLabels:\n    app.kubernetes.io/name: x", (4, 5), "chief:\n  podLabels: {}"),
    Example("TFC190", "serviceAccount: {create: false}", (2, 26), "serviceAccount: {create: false, name: runner}"),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example.rule} {example.bad[:50]}")
def test_rule_finds_its_mistake_at_its_place_and_not_where_it_is_right(find: Find, example: Example) -> None:
    sets = None if example.program else SetFlags(typed=("program.command={python3}",))
    lead = example.program or "\n"
    found = [one for one in find(lead + example.bad + "\n", sets) if one.rule == example.rule]
    assert [(one.line, one.column) for one in found] == [example.at]
    assert not find(lead + example.good + "\n", sets)


def test_every_rule_has_an_example() -> None:
    across_fields = {rule.id for rule in rules.RULES.values() if rule.check}
    assert {example.rule for example in EXAMPLES} == across_fields


def test_every_rule_says_what_why_and_what_to_do() -> None:
    assert list(rules.RULES) == sorted(rules.RULES)
    for rule in rules.RULES.values():
        assert re.fullmatch(r"TFC\d{3}", rule.id)
        assert rule.title
        assert rule.why
        assert rule.fix


@pytest.mark.parametrize("release", ["9digits", "a.b", "A", "a" * 43, "a-"])
def test_release_name_that_does_not_fit_is_found_at_the_option(find: Find, release: str) -> None:
    found = find(PROGRAM, release=release)
    assert [(one.rule, one.file, one.line) for one in found] == [("TFC101", f"--release {release}", 0)]
    assert not find(PROGRAM + "fullnameOverride: digits\n", release=release)


def test_mistake_is_shown_where_the_user_caused_it(find: Find) -> None:
    (found,) = find(PROGRAM + "strategy: MultiWorkerMirrored\nworker: {replicas: 0}\n")
    assert (found.rule, found.line) == ("TFC112", 3)
    (found,) = find("strategy: Custom\n" + PROGRAM, SetFlags(typed=("worker.replicas=0",)))
    assert found.file == "--set worker.replicas=0"


def test_all_mistakes_are_found_in_one_run(find: Find) -> None:
    found = find("env: {TF_CONFIG: x}\nworker: {replicas: -1, gpu: 1}\nrestart: {policy: never}\n")
    assert [one.rule for one in found] == ["TFC102", "TFC140", "TFC012", "TFC010", "TFC012"]


ROLES = st.fixed_dictionaries({"chief": st.integers(0, 1), "worker": st.integers(0, 1500), "ps": st.integers(0, 300)})


@given(ROLES, st.from_regex(r"[a-z][a-z0-9]{0,41}", fullmatch=True))
def test_size_of_tf_config_is_told_without_making_it(replicas: dict[str, int], name: str) -> None:
    data: dict[str, Any] = {**bundled_data(), **{role: {"replicas": count} for role, count in replicas.items()}}
    job = layout.job(data, name, bundled().strategies)
    tasks = cluster.tasks(job)
    longest = max((len(cluster.dumps(cluster.tf_config(job, task))) for task in tasks[-1:] + tasks[:1]), default=None)
    if longest is not None:
        assert 0 <= rules.tf_config_bytes(name, {**replicas, "evaluator": 0}) - longest <= len("worker1499")


def bundled_data() -> dict[str, Any]:
    return {**plain(bundled().defaults), "program": {"command": ["x"]}}

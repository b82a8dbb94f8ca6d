"""Helm itself refuses bad values, naming the key, the problem and the fix."""

from __future__ import annotations

import pytest

from tests.unit.job_specs import a_job, changed
from tfconfig.tensorflow_job.task import job_spec

from . import errors
from .errors import Case
from .helm import PROGRAM, RefusedError, merged, render


def refusal(case: Case) -> str:
    with pytest.raises(RefusedError) as refused:
        render(merged(PROGRAM, case.values))
    return str(refused.value)


@pytest.mark.parametrize("case", errors.RULES, ids=lambda case: case.message[:60])
def test_an_error_across_fields_is_reported(case: Case) -> None:
    assert f"\n  - {case.message}" in refusal(case)


@pytest.mark.parametrize("case", errors.SCHEMA, ids=lambda case: case.message[:60])
def test_an_error_of_the_schema_is_reported(case: Case) -> None:
    assert case.message in refusal(case)


def test_all_errors_are_reported_at_once_one_a_line() -> None:
    several = [
        Case({"program": {"command": []}}, "program.command: missing"),
        Case({"env": {"TF_CONFIG": "x"}}, "env.TF_CONFIG: set by"),
    ]
    several.append(Case({"serviceAccount": {"create": False}}, "serviceAccount.name: missing"))
    message = refusal(Case(merged(*(case.values for case in several)), ""))
    lines = [line for line in message.splitlines() if line.startswith("  - ")]
    assert len(lines) == len(several)
    for line, case in zip(lines, several, strict=True):
        assert line.startswith(f"  - {case.message}")


def test_every_message_says_what_to_do() -> None:
    for case in errors.RULES:
        lines = [line for line in refusal(case).splitlines() if line.startswith("  - ")]
        assert lines
        for line in lines:
            assert "; " in line, line


# Just under and just over the limit of 131,061 bytes, by each role, with and without an evaluator.
@pytest.mark.parametrize("evaluators", [0, 1])
@pytest.mark.parametrize("name", ["a", "mnist", "job-whose-name-has-as-many-as-42-character"])
@pytest.mark.parametrize("role", ["worker", "ps"])
def test_the_limit_of_tf_config_is_exact(role: str, name: str, evaluators: int) -> None:
    counts = {"chief": 1, "worker": 1, "ps": 1, "evaluator": evaluators}

    def longest(count: int) -> int:
        job = changed(a_job(name=name), replicas={key: n for key, n in (counts | {role: count}).items() if n})
        last = {task.role: task for task in job_spec.tasks(job)}.values()
        return max(len(job_spec.dumps(job_spec.tf_config(job, task))) for task in last)

    low, high = 1, 10_000
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if longest(middle) <= job_spec.MAX_TF_CONFIG_BYTES else (low, middle)

    replicas = {key: {"replicas": count} for key, count in counts.items()}
    values = merged(PROGRAM, {"fullnameOverride": name, **replicas})
    assert render(merged(values, {role: {"replicas": low}}))
    message = refusal(Case(merged(values, {role: {"replicas": high}}), ""))
    assert f"make a TF_CONFIG of {longest(high)} bytes" in message

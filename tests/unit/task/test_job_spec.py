"""What each task is told of its job: TF_CONFIG, variables, commands, whom to wait for, and how large it gets."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.job_specs import STRATEGIES, a_job, changed
from tfconfig.tensorflow_job.task.contracts import JobSpec
from tfconfig.tensorflow_job.task.job_spec import (
    MAX_TF_CONFIG_BYTES,
    ROLES,
    Task,
    address,
    awaited,
    dumps,
    environment,
    expand,
    may_restart,
    name,
    program,
    runs_server,
    tasks,
    tf_config,
)
from tfconfig.tensorflow_job.task.ranges import format_ranges, parse_ranges

CHIEF, WORKER, PS, EVALUATOR = Task("chief", 0), Task("worker", 0), Task("ps", 0), Task("evaluator", 0)
OTHER = Task("worker", 1)

# The full-blown job of each strategy, as the rules on values allow it.
FULL: dict[str, dict[str, int]] = {
    "ParameterServer": {"chief": 1, "worker": 2, "ps": 2, "evaluator": 1},
    "BetweenGraph": {"chief": 1, "worker": 2, "ps": 2, "evaluator": 1},
    "InGraph": {"chief": 1, "worker": 2, "ps": 2, "evaluator": 1},
    "MultiWorkerMirrored": {"chief": 1, "worker": 2, "evaluator": 1},
    "Custom": {"chief": 1, "worker": 2, "ps": 2, "evaluator": 1},
}
HOSTS = {
    "chief": ["digits-chief-0.digits:2222"],
    "worker": ["digits-worker-0.digits:2222", "digits-worker-1.digits:2222"],
    "ps": ["digits-ps-0.digits:2222", "digits-ps-1.digits:2222"],
    "evaluator": ["digits-evaluator-0.digits:2222"],
}


# --- TF_CONFIG ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("role", ROLES)
def test_tf_config_tells_every_task_its_cluster_and_place(strategy: str, role: str) -> None:
    sizes = FULL[strategy]
    job = a_job(strategy, **sizes)  # type: ignore[arg-type]
    for index in range(sizes.get(role, 0)):
        known = [other for other in sizes if other != "evaluator" or role == "evaluator"]
        assert tf_config(job, Task(role, index)) == {
            "cluster": {other: HOSTS[other] for other in known},
            "task": {"type": role, "index": index},
        }


def test_tf_config_is_compact_json_with_an_integer_index() -> None:
    job = a_job("MultiWorkerMirrored", worker=1)
    assert dumps(tf_config(job, WORKER)) == (
        '{"cluster":{"worker":["digits-worker-0.digits:2222"]},"task":{"index":0,"type":"worker"}}'
    )


def test_the_evaluator_is_unknown_to_all_others() -> None:
    """TensorFlow would wait for its server, which it does not have."""
    job = a_job(chief=1, worker=2, ps=1, evaluator=1)
    knowing = [task for task in tasks(job) if "evaluator" in tf_config(job, task)["cluster"]]
    assert knowing == [EVALUATOR]


def test_local_tasks_have_the_addresses_that_they_were_given() -> None:
    job = changed(a_job("Custom", worker=2), addresses={"worker": ["127.0.0.1:4001", "127.0.0.1:4002"]})
    assert tf_config(job, OTHER)["cluster"] == {"worker": ["127.0.0.1:4001", "127.0.0.1:4002"]}
    assert address(job, OTHER) == "127.0.0.1:4002"


def test_tasks_are_counted_in_the_order_of_roles() -> None:
    job = a_job("Custom", evaluator=1, ps=1, worker=2, chief=1)
    assert [name(task) for task in tasks(job)] == ["chief-0", "worker-0", "worker-1", "ps-0", "evaluator-0"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_role_runs_either_the_program_or_a_server(strategy: str) -> None:
    job = a_job(strategy, **FULL[strategy])  # type: ignore[arg-type]
    for role in FULL[strategy]:
        assert runs_server(job, role) == (role not in STRATEGIES[strategy]["program"])


# --- variables ----------------------------------------------------------------------------------------------------


def test_programs_find_hosts_and_place_in_variables_too() -> None:
    job = a_job("Custom", worker=2, ps=2)
    variables = environment(job, OTHER)
    assert (variables["TASK_TYPE"], variables["TASK_INDEX"]) == ("worker", "1")
    assert variables["PS_HOSTS"] == "digits-ps-0.digits:2222,digits-ps-1.digits:2222"
    assert variables["WORKER_HOSTS"] == "digits-worker-0.digits:2222,digits-worker-1.digits:2222"
    assert variables["TF_CONFIG"] == dumps(tf_config(job, OTHER))
    assert variables["CHECKPOINT_DIR"] == "/checkpoints/digits"
    assert variables["GRPC_FAIL_FAST"] == "use_caller"


def test_only_tasks_with_gpus_see_gpus() -> None:
    job = a_job("Custom", worker=1, ps=1, gpus={"worker": 1})
    assert "CUDA_VISIBLE_DEVICES" not in environment(job, WORKER)
    assert environment(job, PS)["CUDA_VISIBLE_DEVICES"] == "-1"


def test_a_share_of_a_gpu_is_not_hidden() -> None:
    job: JobSpec = {**a_job("Custom", worker=1, ps=1), "devices": ["worker"]}
    assert "CUDA_VISIBLE_DEVICES" not in environment(job, WORKER)
    assert environment(job, PS)["CUDA_VISIBLE_DEVICES"] == "-1"


def test_without_checkpoints_there_is_no_checkpoint_folder() -> None:
    assert "CHECKPOINT_DIR" not in environment({**a_job("Custom", worker=1), "checkpointDir": ""}, WORKER)


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_is_text(role: str) -> None:
    variables = environment(a_job(chief=1, worker=1, ps=1, evaluator=1), Task(role, 0))
    assert all(isinstance(value, str) for value in variables.values())


# --- $(NAME) ------------------------------------------------------------------------------------------------------

ENVIRON = {"A": "1", "B_C": "$(A)", "EMPTY": "", "with.dot-and-dash": "2", "_": "3"}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("--index=$(A)", "--index=1"),
        ("$(A)$(A)", "11"),
        ("$(B_C)", "$(A)"),  # what a variable holds is not looked at again
        ("$(EMPTY)|", "|"),
        ("$(with.dot-and-dash)", "2"),
        ("$(_)", "3"),
        ("$(NOT_SET)", "$(NOT_SET)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$$$$(A)", "$$(A)"),
        ("$A ${A}", "$A ${A}"),
        ("5 $", "5 $"),
        ("$(A", "$(A"),
        ("$()", "$()"),
        ("$ (A)", "$ (A)"),
    ],
)
def test_a_reference_is_expanded_as_kubernetes_does(text: str, expanded: str) -> None:
    assert expand(text, ENVIRON) == expanded


def as_kubernetes(text: str, environ: dict[str, str]) -> str:
    """k8s.io/kubernetes/third_party/forked/golang/expansion, in other words: a reference ends at the next `)`."""
    if "$" not in text:
        return text
    before, _, rest = text.partition("$")
    if rest.startswith("$"):
        return before + "$" + as_kubernetes(rest[1:], environ)
    if rest.startswith("(") and ")" in rest:
        reference, _, after = rest[1:].partition(")")
        return before + environ.get(reference, f"$({reference})") + as_kubernetes(after, environ)
    return before + "$" + as_kubernetes(rest, environ)


PIECES = ["$", "$$", "$(", "$(A)", "$(B_C)", "$(NOT_SET)", "$(1)", "$(A 1)", "(A)", "(", ")", "x", " ", "\n"]


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_any_text_is_expanded_as_kubernetes_does(text: str) -> None:
    environ = {**ENVIRON, "1": "one", "A 1": "a one"}  # names that Kubernetes allows since 1.30
    assert expand(text, environ) == as_kubernetes(text, environ)


def test_command_and_arguments_are_expanded_word_by_word() -> None:
    job = changed(a_job("Custom", worker=1), program={"command": ["run", "$(A)"], "args": ["--x=$(A)", "$(A) $(A)"]})
    assert program(job, "worker", ENVIRON) == ["run", "1", "--x=1", "1 1"]


# --- ranges -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("indexes", "text"), [([], ""), ([3], "3"), ([1, 2], "1-2"), ([0, 1, 2, 3, 7, 9, 10], "0-3,7,9-10")]
)
def test_ranges_are_short(indexes: list[int], text: str) -> None:
    assert format_ranges(indexes) == text


@given(st.frozensets(st.integers(0, 300)))
def test_ranges_can_be_read_again(indexes: frozenset[int]) -> None:
    assert parse_ranges(format_ranges(indexes)) == sorted(indexes)


# --- restarts -----------------------------------------------------------------------------------------------------

# py/kubeflow/tf_operator/replica_restart_policy_tests.py and train_util.go of the training operator. For its policy
# Always: alwaysRoles.
TFJOB = {
    "Never": {0: False, 1: False, 127: False, 128: False, 137: False, 143: False},
    "OnFailure": {0: False, 1: True, 127: True, 128: True, 137: True, 143: True},
    "ExitCode": {0: False, 1: False, 127: False, 128: True, 137: True, 143: True},
}


@pytest.mark.parametrize("policy", TFJOB)
def test_programs_restart_as_those_of_tfjob(policy: str) -> None:
    job = a_job("Custom", worker=1, policy=policy)
    assert {code: may_restart(job, "worker", code) for code in TFJOB[policy]} == TFJOB[policy]


@pytest.mark.parametrize("policy", TFJOB)
def test_a_preempted_program_restarts_under_any_policy(policy: str) -> None:
    """Other than TFJob: TensorFlow's PreemptionCheckpointHandler ends with 42."""
    assert may_restart(a_job("Custom", worker=1, policy=policy), "worker", 42)


@pytest.mark.parametrize("policy", TFJOB)
@pytest.mark.parametrize("code", [0, 1, 137])
def test_a_role_may_restart_always(policy: str, code: int) -> None:
    job = changed(a_job("Custom", worker=1, ps=1, policy=policy), restart={"alwaysRoles": ["ps"]})
    assert may_restart(job, "ps", code)
    assert may_restart(job, "worker", code) == TFJOB[policy][code]


@given(st.integers(0, 255), st.lists(st.integers(0, 255)))
def test_retryable_exit_codes_replace_the_rule(code: int, retryable: list[int]) -> None:
    job = a_job("Custom", worker=1, policy="ExitCode", retryable=retryable)
    assert may_restart(job, "worker", code) == (code != 0 and code in [*retryable, 42])


# --- whom to wait for ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "sizes", "task", "servers", "names"),
    [
        ("ParameterServer", {"chief": 1, "worker": 1, "ps": 1}, CHIEF, [WORKER, PS], []),
        ("ParameterServer", {"chief": 1, "worker": 1, "ps": 1, "evaluator": 1}, EVALUATOR, [], []),
        ("InGraph", {"chief": 1, "worker": 1, "ps": 1}, CHIEF, [WORKER, PS], []),
        ("BetweenGraph", {"worker": 2, "ps": 1}, WORKER, [PS], []),
        ("BetweenGraph", {"worker": 2, "ps": 1}, OTHER, [PS], [WORKER]),
        ("BetweenGraph", {"chief": 1, "worker": 1, "ps": 1}, WORKER, [PS], [CHIEF]),
        ("MultiWorkerMirrored", {"worker": 2}, WORKER, [], []),
        ("MultiWorkerMirrored", {"worker": 2}, OTHER, [], [WORKER]),
        ("MultiWorkerMirrored", {"chief": 1, "worker": 1}, WORKER, [], [CHIEF]),
        ("Custom", {"worker": 2, "ps": 1}, PS, [], [WORKER]),
    ],
)
def test_programs_wait_for_servers_and_for_the_name_of_the_leader(
    strategy: str, sizes: dict[str, int], task: Task, servers: list[Task], names: list[Task]
) -> None:
    job = a_job(strategy, **sizes)  # type: ignore[arg-type]
    assert awaited(job, task) == (servers, names)


# --- size ---------------------------------------------------------------------------------------------------------


def test_five_thousand_tasks_of_a_short_name_fit() -> None:
    job = a_job("MultiWorkerMirrored", worker=5000, name="j")
    text = environment(job, Task("worker", 4999))["TF_CONFIG"]
    assert len(text.encode()) <= MAX_TF_CONFIG_BYTES


@pytest.mark.skipif(
    sys.platform != "linux" or os.sysconf("SC_PAGE_SIZE") != 4096, reason="the limit is 32 pages, and Linux's"
)
def test_the_limit_of_tf_config_is_that_of_linux() -> None:
    fits = subprocess.run(["/bin/true"], env={"TF_CONFIG": "x" * MAX_TF_CONFIG_BYTES}, check=False)
    assert fits.returncode == 0
    with pytest.raises(OSError, match="Argument list too long") as caught:
        subprocess.run(["/bin/true"], env={"TF_CONFIG": "x" * (MAX_TF_CONFIG_BYTES + 1)}, check=False)
    assert caught.value.errno == errno.E2BIG

"""The environment of a task: its identity is the job's own, and all else fills only what is absent."""

from __future__ import annotations

import json
import os
import pwd

import pytest

from tests.unit.job_specs import a_job
from tests.unit.task.conftest import Container, job, shell
from tfconfig.tensorflow_job.task.environ import NAMELESS, OPTIONS, merge, name_user, pings_too_often
from tfconfig.tensorflow_job.task.job_spec import GRPC_OPTIONS, IDENTITY, Task

WORKER = Task("worker", 0)


@pytest.mark.parametrize("variable", IDENTITY)
def test_the_identity_of_a_task_is_the_jobs_whatever_the_container_has(variable: str) -> None:
    document = job(checkpointDir="/checkpoints/j")
    computed, _ = merge(document, WORKER, {}, {})
    environ, refused = merge(document, WORKER, {variable: "of an older job", "OTHER": "stays"}, {})
    assert environ == {**computed, "OTHER": "stays"}
    assert refused == [variable]
    assert merge(document, WORKER, computed, {}) == (computed, [])
    own = {"TASK_PROGRESS_FILE": "/state/progress.json"}
    assert merge(document, WORKER, {"TASK_PROGRESS_FILE": "/mine"}, own) == ({**computed, **own}, list(own))


def test_without_checkpoints_the_folder_is_the_containers_own_affair() -> None:
    environ, refused = merge(job(), WORKER, {"CHECKPOINT_DIR": "/mine"}, {})
    assert (environ["CHECKPOINT_DIR"], refused) == ("/mine", [])


def test_tuning_fills_only_what_is_absent() -> None:
    mine = {"GRPC_FAIL_FAST": "false", "PYTHONUNBUFFERED": "", "CUDA_VISIBLE_DEVICES": "1"}
    environ, refused = merge(job(), WORKER, mine, {})
    assert mine.items() <= environ.items()
    assert refused == []


def test_options_of_grpc_fill_only_what_the_users_do_not_name() -> None:
    options = merge(job(), WORKER, {OPTIONS: "grpc.max_metadata_size=1,grpc.keepalive_time_ms=900000"}, {})[0][OPTIONS]
    assert dict(option.split("=") for option in options.split(",")) == {
        **GRPC_OPTIONS,
        "grpc.max_metadata_size": "1",
        "grpc.keepalive_time_ms": "900000",
    }
    assert merge(job(), WORKER, {OPTIONS: ""}, {})[0][OPTIONS] == "", "none, if that is what is asked for"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("grpc.keepalive_time_ms=299999", "every 299.999 s"),
        ("grpc.a=1,grpc.keepalive_time_ms= 10000", "every 10 s"),
        ("grpc.keepalive_time_ms=900000,grpc.keepalive_time_ms=60000", "every 60 s"),
        ("grpc.keepalive_time_ms=300000", ""),
        ("grpc.keepalive_time_ms=0", ""),
        ("grpc.keepalive_time_ms=-1", ""),
        ("grpc.keepalive_time_ms=soon", ""),
        ("grpc.a=1, grpc.keepalive_time_ms=10000", ""),  # to TensorFlow a name that begins with a blank
        ("grpc.keepalive_timeout_ms=10000", ""),
        ("", ""),
    ],
)
def test_pings_that_servers_refuse_are_reported_from_wherever_they_come(options: str, said: str) -> None:
    environ = merge(job(), WORKER, {OPTIONS: options}, {})[0]
    text = pings_too_often(job(), environ)
    assert (said in text) if said else not text
    assert not pings_too_often(a_job("MultiWorkerMirrored", worker=2), environ), "its calls are not disturbed"


def test_pings_come_no_closer_than_a_server_accepts_and_peers_are_reached_without_a_proxy() -> None:
    options = dict(option.split("=") for option in merge(job(), WORKER, {}, {})[0][OPTIONS].split(","))
    assert int(options["grpc.keepalive_time_ms"]) > 300_000
    assert options["grpc.enable_http_proxy"] == "0"


@pytest.mark.parametrize(
    ("given", "user", "logname"),
    [
        ({}, "anna", "anna"),
        ({"USER": "eve"}, "eve", "eve"),
        ({"LOGNAME": "eve"}, "eve", "eve"),
        ({"USER": "eve", "LOGNAME": "root"}, "eve", "root"),
    ],
)
def test_the_user_has_a_name(monkeypatch: pytest.MonkeyPatch, given: dict[str, str], user: str, logname: str) -> None:
    entry = pwd.struct_passwd(("anna", "x", 1000, 1000, "", "/", ""))
    monkeypatch.setattr(pwd, "getpwuid", lambda _: entry)
    environ = dict(given)
    name_user(environ)
    assert (environ["USER"], environ["LOGNAME"]) == (user, logname)


def test_a_user_id_without_a_name_gets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    environ: dict[str, str] = {}
    name_user(environ)
    assert environ == {"USER": NAMELESS, "LOGNAME": NAMELESS}


def test_a_program_says_in_one_line_what_of_its_container_is_not_used(container: Container) -> None:
    container.write(job(program=shell('echo "finds $TASK_TYPE $TASK_INDEX $LOGNAME"; echo "$TF_CONFIG"')))
    foreign = json.dumps({"cluster": {"worker": ["old-0:2222"]}, "task": {"type": "worker", "index": 9}})
    own = {"USER": "eve", "LOGNAME": "eve", "TF_GRPC_DEFAULT_OPTIONS": "grpc.keepalive_time_ms=10000"}
    assert container.run("worker", 5, TF_CONFIG=foreign, TASK_INDEX="9", **own) == 0
    assert container.output.count("worker-0: TF_GRPC_DEFAULT_OPTIONS pings every 10 s") == 1
    assert "finds worker 0 eve" in container.output
    assert "old-0" not in container.output
    said = [line for line in container.output.splitlines() if "is not used" in line]
    assert len(said) == 1
    assert "worker-0: the job sets TF_CONFIG, TASK_INDEX; what env, envFrom" in said[0]

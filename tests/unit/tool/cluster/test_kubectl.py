"""Calls of kubectl: each failure is one sentence with what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from tfconfig.cli import main
from tfconfig.cluster import kubectl
from tfconfig.cluster.errors import (
    ApiError,
    ClusterError,
    ForbiddenError,
    NotFoundError,
    UnreachableError,
    from_stderr,
)
from tfconfig.cluster.kubectl import Kubectl, parse_objects

FORBIDDEN = (
    'Error from server (Forbidden): pods "x" is forbidden: User "u" cannot get resource "pods/log" in API group "" '
    'in the namespace "team"'
)
# As kubectl 1.35 writes it.
STDERR = [
    (FORBIDDEN, ForbiddenError, "no permission to get pods/log in namespace team; ask"),
    (
        'Error from server (Forbidden): nodes is forbidden: User "u" cannot list resource "nodes" in API group "" '
        "at the cluster scope",
        ForbiddenError,
        "no permission to list nodes in the whole cluster; ask",
    ),
    ('Error from server (NotFound): configmaps "x" not found', NotFoundError, 'configmaps "x" not found'),
    (
        'error: context "nope" does not exist',
        ClusterError,
        'context "nope" does not exist; list the contexts: kubectl config get-contexts',
    ),
    (
        "Error from server (NotFound): the server could not find the requested resource",
        UnreachableError,
        "the server that answers is not a Kubernetes API server; set KUBECONFIG",
    ),
    ("error: EOF", ClusterError, "the cluster rejects your credentials (EOF); log in again"),
    ("error: You must be logged in to the server (Unauthorized)", ClusterError, "rejects your credentials"),
    (
        "Unable to connect to the server: getting credentials: exec: executable aws not found",
        ClusterError,
        "the cluster rejects your credentials (Unable to connect to the server: getting credentials: exec: "
        "executable aws not found); log in again",
    ),
    (
        "The connection to the server localhost:8080 was refused - did you specify the right host or port?",
        UnreachableError,
        "no cluster is configured for kubectl; set KUBECONFIG, or choose one with --context",
    ),
    (
        "E1123 15:00:00.000000 memcache.go:265] couldn't get current server API group list\n"
        "The connection to the server 10.0.0.1:6443 was refused - did you specify the right host or port?\n",
        UnreachableError,
        "the cluster does not answer (The connection to the server 10.0.0.1:6443 was refused); check the network",
    ),
    (
        "Unable to connect to the server: dial tcp: lookup nohost.invalid on 10.0.0.2:53: no such host",
        UnreachableError,
        "the cluster does not answer (dial tcp: lookup nohost.invalid on 10.0.0.2:53: no such host); check",
    ),
    ("Error from server (BadRequest): container starts", ApiError, "Error from server (BadRequest)"),
    ("", ApiError, "kubectl failed without an error message"),
]


@pytest.mark.parametrize(("stderr", "kind", "sentence"), STDERR)
def test_a_failure_is_one_sentence_with_what_to_do(stderr: str, kind: type, sentence: str) -> None:
    error = from_stderr(stderr, "team")
    assert type(error) is kind
    assert error.message.startswith(sentence) or sentence in error.message
    assert "\n" not in error.message
    assert error.exit_code == 2


@pytest.mark.parametrize(
    ("given", "context", "account", "namespace"),
    [
        ("a", "b", "c", "a"),
        ("", "b", "c", "b"),
        ("", "", "c", "c"),  # in a pod: a CronJob, a step of a workflow
        ("", "", "", "default"),
    ],
)
def test_the_namespace_is_the_one_that_kubectl_would_take(
    given: str, context: str, account: str, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "kubectl"
    program.write_text(f"#!/bin/sh\necho {context}\ntest '{context}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    if account:
        (tmp_path / "namespace").write_text(account)
    monkeypatch.setattr(kubectl, "SERVICE_ACCOUNT", str(tmp_path))
    assert Kubectl(given or None).namespace == namespace


@pytest.mark.parametrize("in_a_pod", [False, True])
def test_kubectl_gets_no_option_that_keeps_it_from_the_account_of_its_pod(
    in_a_pod: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --request-timeout kubectl 1.37 asks localhost:8080 in a pod, which is how it was found."""
    program = tmp_path / "kubectl"
    program.write_text('#!/bin/sh\necho "$*"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(kubectl, "SERVICE_ACCOUNT", str(tmp_path))
    if in_a_pod:
        (tmp_path / "namespace").write_text("team")
    assert Kubectl().text("/version").split() == [
        "get",
        "--raw=/version",
        *([] if in_a_pod else ["--request-timeout=20s"]),
    ]


@pytest.mark.parametrize("command", [["status"], ["status", "digits"], ["wait", "digits"], ["logs", "digits"]])
def test_without_kubectl_each_command_says_so_and_exits_2(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = CliRunner().invoke(main, command)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: kubectl is not on PATH; install it: https://")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (["status", "--watch"], "--watch needs one job"),
        (["status", "digits", "--watch", "-o", "json"], "--watch needs one job"),
        (["status", "digits", "-A"], "--all-namespaces lists all jobs"),
        (["wait", "digits", "--timeout", "soon"], "'soon' is not a duration; write 90s, 10m or 1h30m"),
        (["logs", "digits", "--follow", "--previous"], "--previous is for containers that have ended"),
        (["doctor"], "no values given"),
        (["doctor", "-f", "-"], "standard input cannot be used"),
    ],
)
def test_wrong_usage_exits_2_with_what_to_do(command: list[str], text: str) -> None:
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2
    assert text in result.stderr


def test_paths_are_those_of_the_api() -> None:
    kubectl = Kubectl("team")
    assert kubectl.path("pods", "x", "log") == "/api/v1/namespaces/team/pods/x/log"
    assert kubectl.path("jobs") == "/apis/batch/v1/namespaces/team/jobs"
    assert kubectl.path("configmaps", all_namespaces=True) == "/api/v1/configmaps"


@given(st.lists(st.dictionaries(st.text(), st.integers())), st.sampled_from(["", "\n", " \n\n"]), st.booleans())
def test_objects_are_read_one_after_the_other_or_as_a_list(
    specs: list[dict[str, int]], between: str, as_list: bool
) -> None:
    objects = [{"kind": "Pod", "spec": spec} for spec in specs]
    listed = json.dumps({"kind": "List", "items": objects})
    text = listed if as_list else "".join(json.dumps(one, indent=4) + between for one in objects)
    assert parse_objects(text) == objects


def test_a_kubeconfig_that_is_not_there_or_is_broken_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = "The connection to the server localhost:8080 was refused - did you specify the right host or port?"
    monkeypatch.setenv("KUBECONFIG", "/nowhere/config")
    assert (
        from_stderr(refused).message
        == "KUBECONFIG names /nowhere/config, which does not exist; correct it, or unset it"
    )
    broken = 'error: error loading config file "/tmp/config": yaml: line 3: mapping values are not allowed'
    assert from_stderr(broken).message.startswith("kubectl cannot read its configuration /tmp/config (yaml: line 3")

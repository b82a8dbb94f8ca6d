"""The environment of the training container."""

from __future__ import annotations

from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest

from .helm import PROGRAM, Values, merged, render

SOME = hypothesis.settings(max_examples=50, deadline=None)
PRINTABLE = st.text(
    st.sampled_from("\t\n\r ") | st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\ufffe\uffff")
)


def env_of(values: Values, role: str = "worker") -> dict[str, Any]:
    """Name -> text, or valueFrom, in the container of a role."""
    entries = render(merged(PROGRAM, values)).container_of(role)["env"]
    assert len({entry["name"] for entry in entries}) == len(entries)
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in entries}


def test_env_values_become_text() -> None:
    env = env_of(
        {
            "env": {
                "TEXT": "1e3",
                "EMPTY": "",
                "INT": 1000000,
                "BIG": 9007199254740991,
                "NEG": -3,
                "YES": True,
                "NO": False,
            }
        }
    )
    expected = {
        "TEXT": "1e3",
        "EMPTY": "",
        "INT": "1000000",
        "BIG": "9007199254740991",
        "NEG": "-3",
        "YES": "true",
        "NO": "false",
    }
    assert {name: env[name] for name in expected} == expected


@SOME
@hypothesis.given(PRINTABLE)
def test_any_printable_text_survives_in_env(text: str) -> None:
    assert env_of({"env": {"TEXT": text}})["TEXT"] == text


def test_env_takes_values_from_elsewhere() -> None:
    source = {"secretKeyRef": {"name": "tracker", "key": "token"}}
    assert env_of({"env": {"TOKEN": {"valueFrom": source}}})["TOKEN"] == source


def test_a_role_overrides_env_by_name_and_null_removes_a_name() -> None:
    values: Values = {"env": {"A": "1", "B": "2", "C": "3"}, "worker": {"env": {"B": None, "C": "three", "D": "4"}}}
    env = env_of(values)
    assert {name: env.get(name) for name in "ABCD"} == {"A": "1", "B": None, "C": "three", "D": "4"}
    assert env_of(values, "ps").keys() >= {"A", "B", "C"}


def test_gpus_are_hidden_by_default_and_all_else_is_left_to_envfrom_and_the_image() -> None:
    assert env_of({}) == {"CUDA_VISIBLE_DEVICES": "-1", "NVIDIA_VISIBLE_DEVICES": "void"}


def test_the_users_env_comes_before_the_charts() -> None:
    assert env_of({"env": {"HOME": "/root"}, "worker": {"env": {"CUDA_VISIBLE_DEVICES": "0"}}}) == {
        "HOME": "/root",
        "CUDA_VISIBLE_DEVICES": "0",
        "NVIDIA_VISIBLE_DEVICES": "void",
    }


@pytest.mark.parametrize(
    ("resources", "hidden"),
    [
        ({"limits": {"aliyun.com/gpu-mem": 4}}, False),
        ({"limits": {"volcano.sh/vgpu-number": 1, "volcano.sh/vgpu-memory": 3000}}, False),
        ({"requests": {"example.com/tpu": "1"}, "limits": {"example.com/tpu": "1"}}, False),
        ({"claims": [{"name": "gpu"}]}, False),
        ({"limits": {"rdma/hca": 1, "openshift.io/SRIOV_net": 1, "hugepages-2Mi": "1Gi", "cpu": 2}}, True),
        ({"limits": {"aliyun.com/gpu-mem": 0}}, True),
        ({"limits": {"cpu": 2, "memory": "1Gi", "ephemeral-storage": "1Gi"}}, True),
        ({}, True),
    ],
)
def test_gpus_are_hidden_only_from_tasks_that_ask_for_no_device(resources: Values, hidden: bool) -> None:
    values: Values = {"worker": {"resources": resources}}
    names = {"CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"}
    assert env_of(values).keys() & names == (names if hidden else set())
    assert env_of(values, "ps").keys() >= names
    assert render(merged(PROGRAM, values)).job_spec()["devices"] == ([] if hidden else ["worker"])


def test_texts_with_references_are_left_to_the_pod_where_every_variable_is_known() -> None:
    source = {"fieldRef": {"fieldPath": "status.podIP"}}
    env = {
        "ADDRESS": "$(POD_IP):9",
        "POD_IP": {"valueFrom": source},
        "PATH": "/x:$(PATH)",
        "ESCAPED": "$$(A)",
        "A": "$",
    }
    values: Values = {"env": env, "ps": {"env": {"ADDRESS": None, "LOG": "$(TASK_INDEX)", "PATH": "/y"}}}
    assert env_of(values).keys() & env.keys() == {"POD_IP", "A"}
    assert env_of(values, "ps").keys() & {*env, "LOG"} == {"POD_IP", "A", "PATH"}
    texts = {"ADDRESS": "$(POD_IP):9", "PATH": "/x:$(PATH)", "ESCAPED": "$$(A)"}
    expected = {"chief": texts, "worker": texts, "ps": {"LOG": "$(TASK_INDEX)", "ESCAPED": "$$(A)"}}
    assert render(merged(PROGRAM, values)).job_spec()["env"] == expected


def test_a_roles_text_that_refers_to_its_own_name_means_the_one_for_all_roles() -> None:
    top = {"PATH": "/a:$(PATH)", "PLAIN": "x", "NUMBER": 3}
    own = {"PATH": "/b:$(PATH)", "PLAIN": "$$(PLAIN)$$$(PLAIN)", "NUMBER": "$(NUMBER)"}
    rendered = render(merged(PROGRAM, {"env": top, "worker": {"env": own}}))
    texts = rendered.job_spec()["env"]
    assert texts["ps"] == {"PATH": "/a:$(PATH)"}
    assert texts["worker"] == {"PATH": "/b:/a:$(PATH)", "PLAIN": "$$(PLAIN)$$x", "NUMBER": "$(NUMBER)"}

"""--set arguments are read as Helm reads them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.tool import engine
from tfconfig.diagnostics import Origin
from tfconfig.values.helm_yaml import Node, plain
from tfconfig.values.set_flags import SetError, SetFlags

MODES = ["typed", "string", "json", "literal"]


def read(mode: str, argument: str) -> Any:
    root = Node({}, Origin("nothing"))
    SetFlags(**{mode: (argument,)}).apply(root)
    return plain(root)


@pytest.mark.parametrize(
    ("argument", "values"),
    [
        ("a=1", {"a": 1}),
        ("a.b=x,a.c=true", {"a": {"b": "x", "c": True}}),
        ("a=007", {"a": "007"}),
        ("a=0", {"a": 0}),
        ("a=1.5", {"a": "1.5"}),
        ("a=null", {"a": None}),
        ("a=", {"a": ""}),
        ("a={x,2}", {"a": ["x", 2]}),
        ("a={}", {"a": [""]}),
        ("a[0]=x,a[2]=z", {"a": ["x", None, "z"]}),
        ("a[0].b=1,a[0].c=2", {"a": [{"b": 1, "c": 2}]}),
        ("a[1][0]=x", {"a": [None, ["x"]]}),
        (r"a\.b=1", {"a.b": 1}),
        (r"a=x\,y", {"a": "x,y"}),
    ],
)
def test_set_means_what_it_means_to_helm(argument: str, values: Any) -> None:
    assert read("typed", argument) == values == engine.read_set("typed", argument)


TOKENS = [
    "a",
    "b",
    ".",
    "=",
    "=",
    ",",
    "[0]",
    "[1]",
    "[",
    "{",
    "}",
    "\\,",
    "1",
    "true",
    "null",
    "0",
    '"x"',
    '{"a":1}',
    " ",
    "é",
    "\\",
]
KEYS = ["a", "b", "a.b", "a.b.c", "a[0]", "a[1].c", "a.b[2]", "a[0][1]", ".a"]
VALUES = ["1", "{1,2}", "{}", "x", "null", '"q"', "[1, 2]", "", '{"k": null}', "{a", "1.5", "x\\,y", "-5", "1e3"]


def argument(generator: random.Random) -> str:
    if generator.random() < 0.5:
        return "".join(generator.choices(TOKENS, k=generator.randint(1, 9)))
    return ",".join(f"{generator.choice(KEYS)}={generator.choice(VALUES)}" for _ in range(generator.randint(1, 3)))


@pytest.mark.parametrize("mode", MODES)
def test_thousands_of_arguments_are_read_as_helm_reads_them(mode: str) -> None:
    generator = random.Random(mode)
    for _ in range(4000):
        text = argument(generator)
        if mode == "json" and text.strip().startswith("{"):
            continue  # a whole object, which Helm 4 takes before it comes to this parser
        try:
            expected = engine.read_set(mode, text)
        except engine.RefusedError:
            with pytest.raises(SetError):
                read(mode, text)
            continue
        try:
            assert read(mode, text) == expected, text
        except SetError as error:
            # Helm 4 forgets what stands before an index that does not end; Helm 3 refuses it, and so do we.
            assert "is not an index" in str(error), text  # noqa: PT017


@given(st.sampled_from(MODES), st.text(max_size=30))
def test_no_argument_crashes_it(mode: str, text: str) -> None:
    try:
        read(mode, text)
    except SetError as error:
        assert text in str(error)  # noqa: PT017


def test_set_json_takes_a_whole_object() -> None:
    assert read("json", ' {"a": {"b": [1, null]}}') == {"a": {"b": [1, None]}}


def test_later_kinds_win_in_the_order_that_helm_has() -> None:
    root = Node({}, Origin("nothing"))
    SetFlags(json=("a=1",), typed=("a=2", "b=2"), string=("b=3",), literal=("c=x,y",)).apply(root)
    assert plain(root) == {"a": 2, "b": "3", "c": "x,y"}


def test_set_file_takes_the_text_of_the_file(tmp_path: Path) -> None:
    program = tmp_path / "train.py"
    program.write_text("print('a,b')\n", "utf-8")
    assert read("file", rf"program.files.train\.py={program}") == {"program": {"files": {"train.py": "print('a,b')\n"}}}


def test_set_file_says_which_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SetError, match=r"cannot read .*missing\.py: No such file"):
        read("file", f"a={tmp_path / 'missing.py'}")


def test_values_know_the_argument_that_set_them() -> None:
    root = Node({}, Origin("nothing"))
    SetFlags(typed=("worker.replicas=3",)).apply(root)
    assert str(root.value["worker"].value["replicas"].origin) == "--set worker.replicas=3"

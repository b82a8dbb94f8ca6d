"""Files, --set arguments and the chart's defaults merge as in Helm, and each value knows who set it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.tool import engine
from tfconfig.diagnostics import Origin
from tfconfig.values.chart import Chart, UnreadableError
from tfconfig.values.helm_yaml import Node, plain
from tfconfig.values.load import Values, load
from tfconfig.values.merge import merge_maps, over_defaults
from tfconfig.values.set_flags import SetFlags, wrap

LEAVES: st.SearchStrategy[Any] = st.sampled_from([None, None, 0, 1, "x", [], [1], {}])
TREES = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(LEAVES, lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=6),
    max_size=3,
)


def node(value: Any) -> Node:
    return wrap(value, Origin("somewhere"))


@settings(max_examples=500, deadline=None)
@given(TREES, TREES)
def test_user_values_go_over_defaults_as_in_helm(user: Any, defaults: Any) -> None:
    assert plain(over_defaults(node(user), node(defaults))) == engine.over_defaults(user, defaults)


@settings(max_examples=500, deadline=None)
@given(TREES, TREES)
def test_merging_changes_no_default(user: Any, defaults: Any) -> None:
    tree = node(defaults)
    over_defaults(node(user), tree)
    assert plain(tree) == defaults


@given(TREES, TREES)
def test_second_file_goes_over_the_first_key_by_key(first: Any, second: Any) -> None:
    def merged(a: Any, b: Any) -> Any:  # Helm's MergeMaps, in short
        if not (isinstance(a, dict) and isinstance(b, dict)):
            return b
        return {**a, **{key: merged(a[key], b[key]) if key in a else b[key] for key in b}}

    tree = node(first)
    merge_maps(tree, node(second))
    assert plain(tree) == merged(first, second)


@pytest.fixture
def chart(tmp_path: Path) -> Chart:
    root = tmp_path / "chart"
    (root / "files").mkdir(parents=True)
    (root / "files" / "strategies.json").write_text('{"ParameterServer": {}}', "utf-8")
    (root / "Chart.yaml").write_text("name: tensorflow-job", "utf-8")
    (root / "values.yaml").write_text(
        "strategy: ParameterServer\nworker:\n  replicas: 2\n  gpus: 0\nenv: {}\n", "utf-8"
    )
    return Chart(root)


def loaded(chart: Chart, *texts: str, sets: SetFlags | None = None) -> Values:
    files = []
    for number, text in enumerate(texts, 1):
        file = chart.root.parent / f"{number}.yaml"
        file.write_text(text, "utf-8")
        files.append(str(file))
    return load(files, sets, chart)


def place(values: Values, *path: str | int, key: bool = False) -> str:
    return str(values.origin(path, key)).rpartition("/")[2]


def test_every_value_knows_who_set_it(chart: Chart) -> None:
    first, second = "worker:\n  replicas: 3\n  gpus: 1\nenv: {A: x}\n", "\nworker: {replicas: 4}\n"
    values = loaded(chart, first, second, sets=SetFlags(typed=("env.B=y",)))
    assert values.data == {
        "strategy": "ParameterServer",
        "worker": {"replicas": 4, "gpus": 1},
        "env": {"A": "x", "B": "y"},
    }
    assert place(values, "worker", "replicas") == "2.yaml:2:20"
    assert place(values, "worker", "gpus") == "1.yaml:3:9"
    assert place(values, "worker", "gpus", key=True) == "1.yaml:3:3"
    assert place(values, "env", "A") == "1.yaml:4:10"
    assert place(values, "env", "B") == "--set env.B=…"


def test_place_of_what_the_user_did_not_set_is_the_map_around_it(chart: Chart) -> None:
    values = loaded(chart, "env: {}\nworker:\n  replicas: 3\n")
    assert place(values, "worker", "gpus") == "1.yaml:2:1"
    assert place(values, "strategy") == "1.yaml:1:1"
    assert place(values, "no", "such") == "1.yaml:1:1"
    assert not values.is_set(("worker", "gpus"))
    assert not values.is_set(("worker", "replicas", 0))
    assert values.is_set(("worker", "replicas"))


def test_null_takes_a_default_away_and_keeps_its_place(chart: Chart) -> None:
    values = loaded(chart, "worker:\n  gpus: null\n")
    assert values.data["worker"] == {"replicas": 2}
    assert place(values, "worker", "gpus") == "1.yaml:2:9"
    assert values.is_set(("worker", "gpus"))


def test_files_of_a_merge_keep_apart_what_an_alias_shares(chart: Chart) -> None:
    values = loaded(chart, "a: &x {k: 1}\nb: *x\n", sets=SetFlags(typed=("b.k=2",)))
    assert (values.data["a"], values.data["b"]) == ({"k": 1}, {"k": 2})


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("no/such.yaml", "no/such.yaml: No such file or directory; give the path"),
        (".", "Is a directory"),
        ("https://example.com/v.yaml", "download the file"),
        ("a\0b", "null byte"),
    ],
)
def test_file_that_cannot_be_opened_is_a_usage_error(file: str, says: str) -> None:
    with pytest.raises(UnreadableError, match=says):
        load([file])


def test_json_is_yaml(chart: Chart) -> None:
    assert loaded(chart, json.dumps({"worker": {"replicas": 7}})).data["worker"] == {"replicas": 7, "gpus": 0}

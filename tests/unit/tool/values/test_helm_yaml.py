"""Values files are read as Helm reads them, with the place of every key and value."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.tool import engine
from tests.unit.tool.counting import steps
from tfconfig.diagnostics import Diagnostic
from tfconfig.values.helm_yaml import MAX_BYTES, plain, read, resolve


def values_of(text: str) -> Any:
    document = read(text.encode(), "v.yaml")
    assert not document.diagnostics
    return plain(document.root)


def only_diagnostic(data: bytes) -> Diagnostic:
    document = read(data, "v.yaml")
    (diagnostic,) = document.diagnostics
    return diagnostic


def numbers_as_floats(value: Any) -> Any:
    """JSON text of a value in which 1 and 1.0 are the same, as they are to Go's encoding/json."""
    if isinstance(value, dict):
        return {key: numbers_as_floats(child) for key, child in value.items()}
    if isinstance(value, list):
        return [numbers_as_floats(child) for child in value]
    return value if isinstance(value, bool) or not isinstance(value, (int, float)) else ("number", float(value))


def assert_read_as_helm_does(text: str) -> None:
    document = read(text.encode(), "v.yaml")
    rules = {diagnostic.rule for diagnostic in document.diagnostics}
    try:
        expected = engine.read_yaml(text)
    except engine.RefusedError as error:
        assert "TFC001" in rules, f"Helm refuses {text!r}: {error}"  # noqa: PT017
        return
    if "TFC003" in rules:
        return  # of two keys with one name Go's maps keep an arbitrary one; the tool refuses them
    if any("Helm ignores the rest" in diagnostic.message for diagnostic in document.diagnostics):
        return  # Helm stops reading in silence; the tool does not
    assert "TFC001" not in rules, f"Helm reads {text!r} as {expected}; {document.diagnostics}"
    assert numbers_as_floats(plain(document.root)) == numbers_as_floats(expected), text


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("y", True),
        ("off", False),
        ("No", False),
        ("nO", "nO"),
        ("~", None),
        ("", None),
        ("010", 8),
        ("0o10", 8),
        ("099", 99),
        ("0x1F", 31),
        ("-0b11", -3),
        ("1e3", 1000),
        ("1_000", 1000),
        ("1:30", "1:30"),
        ("2001-01-01", "2001-01-01"),
        ("2.0", 2),
        ("9007199254740993", 9007199254740992),
        ("1e400", "1e400"),
        ('"3"', "3"),
        ("!!str 3", "3"),
        ("!!binary aGk=", "hi"),
    ],
)
def test_scalar_means_what_it_means_to_helm(scalar: str, value: Any) -> None:
    assert values_of(f"a: {scalar}") == {"a": value} == engine.read_yaml(f"a: {scalar}")


@pytest.mark.parametrize(
    ("key", "name"),
    [("y", "true"), ("no", "false"), ("1", "1"), ("0x10", "16"), ("1.5", "1.5"), ("1e6", "1e+06"), ("1e-7", "1e-07")],
)
def test_key_becomes_the_text_that_helm_makes_of_it(key: str, name: str) -> None:
    assert values_of(f"{key}: 0") == {name: 0} == engine.read_yaml(f"{key}: 0")


SCALAR_CHARACTERS = "yYnNoOtTfFeE~.+-0123456789_xXbBaAiI<:TZ, "
SCALARS = [
    *("y", "no", "On", "~", "null", "1e3", "0o10", "010", "099", "1:30", "2001-01-01", ".5", "+.inf", ".nan", "1_000"),
    *(
        "0x1F",
        "0b11",
        "1.",
        "1e400",
        "-1",
        "12345678901234567890",
        '"x"',
        "'y'",
        "!!str 3",
        '!!int "3"',
        "! 3",
        "!foo 3",
    ),
    *("!!float 3", "!!bool yes", "0b-1", "--1", "1__0", "0_1", "0x_1", "1.5e", ".e3", "5.e3", "0x", "00", "-0.0", "[]"),
    *("{}", "{a: 1, b: y}", "[1, {c: ~}]", "|\n    text\n    more", ">-\n    folded\n    text"),
]


def scalar(generator: random.Random) -> str:
    if generator.random() < 0.4:
        return generator.choice(SCALARS)
    return "".join(generator.choices(SCALAR_CHARACTERS, k=generator.randint(1, 7)))


def key(generator: random.Random) -> str:
    return next(text for text in iter(lambda: scalar(generator), "") if "\n" not in text and text[0] not in "[{")


@pytest.mark.parametrize("seed", range(4))
def test_ten_thousand_scalars_are_read_as_helm_reads_them(seed: int) -> None:
    generator = random.Random(seed)
    for _ in range(2500):
        assert_read_as_helm_does(f"a: {scalar(generator)}")
        assert_read_as_helm_does(f"{key(generator)}: 1")


def block(generator: random.Random, depth: int) -> str:
    """A map in block style with anchors, aliases and merges in it."""
    lines = []
    for _ in range(generator.randint(1, 4)):
        name = generator.choice(["a", "b", "c", "d", "<<", key(generator)])
        anchor = generator.choice(["", "", "&x ", "&y "])
        choice = generator.random()
        if choice < 0.35 and depth < 3:
            child = "\n" + block(generator, depth + 1)
        elif choice < 0.5:
            child, anchor = generator.choice(["*x", "*y", "[*x, *y]"]), ""
        elif choice < 0.6:
            child = "\n" + "".join(f"{'  ' * depth}- {scalar(generator)}\n" for _ in range(2)).rstrip()
        else:
            child = scalar(generator)
        lines.append(f"{'  ' * depth}{name}: {anchor}{child}")
    return "\n".join(lines)


@pytest.mark.parametrize("seed", range(4))
def test_thousands_of_documents_are_read_as_helm_reads_them(seed: int) -> None:
    generator = random.Random(seed)
    for _ in range(1000):
        assert_read_as_helm_does(block(generator, 0))


@pytest.mark.parametrize(
    "text",
    [
        "a: {k: 2, <<: {k: 1}}",
        "x: &x {k: 1}\na:\n  <<: *x\n  k: 2",
        "a:\n  <<: [{k: 1}, {k: 2, l: 3}]",
        "'<<': {a: 1}",
        "<<: 3",
        "a: &a [*a]",
        "a: &x 1\nb: &x 2\nc: *x",
        "\ufeffa: 1",
        "%YAML 1.2\n---\na: 1",
        "%YAML 1.1\n---\na: 1",
        "--- # first\na: 1\n",
        "a: 'two\n  lines'",
        "a: \x01",
        "- 1",
        "text",
        "null",
        "",
        "# only a comment",
        "? {a: 1}\n: 2",
        "18446744073709551615: 1",
        "null: 1",
        'a: "\\ud83d"',
        "a: {b: c}}",
        "a:\tb",
        "a:\n\tb: 1",
        "a: b: c",
        "a: @x",
    ],
)
def test_odd_document_is_read_or_refused_as_helm_does(text: str) -> None:
    assert_read_as_helm_does(text)


TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")))


@settings(max_examples=300, deadline=None)
@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
        max_leaves=10,
    )
)
def test_json_means_itself(value: Any) -> None:
    read_back = values_of("a: " + json.dumps(value, ensure_ascii=False))["a"]
    assert numbers_as_floats(read_back) == numbers_as_floats(value)


def test_values_know_where_they_stand() -> None:
    text = "worker:\n  replicas: 3\nps: {replicas: 1}\nprogram:\n  command:\n    - python3\n    - 'é'\n"
    root = read(text.encode(), "v.yaml").root
    replicas = root.value["worker"].value["replicas"]
    assert str(replicas.origin) == "v.yaml:2:13"
    assert str(replicas.key_origin) == "v.yaml:2:3"
    assert (replicas.origin.end_line, replicas.origin.end_column) == (2, 14)
    assert str(root.value["ps"].value["replicas"].origin) == "v.yaml:3:16"
    word = root.value["program"].value["command"].value[1]
    assert str(word.origin) == "v.yaml:7:7"
    assert word.origin.end_column == 10


def test_value_of_an_alias_is_where_it_is_written_and_its_key_where_it_is_used() -> None:
    root = read(b"x: &x\n  k: 1\na: *x\nb:\n  <<: *x\n", "v.yaml").root
    assert str(root.value["a"].key_origin) == "v.yaml:3:1"
    assert str(root.value["a"].value["k"].origin) == "v.yaml:2:6"
    assert str(root.value["b"].value["k"].origin) == "v.yaml:2:6"


def test_second_key_of_one_name_is_reported_with_both_places() -> None:
    diagnostic = only_diagnostic(b"worker: {replicas: 1}\nps: {}\nworker: {replicas: 2}\n")
    assert (diagnostic.rule, diagnostic.line, diagnostic.column) == ("TFC003", 3, 1)
    assert "line 1, column 1" in diagnostic.message


@pytest.mark.parametrize("keys", ["y: 1\n'true': 2", "1: a\n0x1: b", "a: {b: 1, b: 2}"])
def test_keys_that_become_one_are_reported(keys: str) -> None:
    assert only_diagnostic(keys.encode()).rule == "TFC003"


def test_second_document_is_reported_because_helm_3_and_4_differ() -> None:
    diagnostic = only_diagnostic(b"a: 1\n---\na: 2\n")
    assert (diagnostic.rule, diagnostic.line) == ("TFC002", 2)
    assert plain(read(b"a: 1\n---\na: 2\n", "v.yaml").root) == {"a": 1}


@pytest.mark.parametrize(
    ("data", "line", "says"),
    [
        (b"a: 1\nb: [\n", 2, "not YAML"),
        (b"{a: ", 1, "not YAML"),
        (b"a: [b\n\n \n", 1, "not YAML"),
        (b"a: [b\r\nc\r\n", 2, "not YAML"),
        (b"a:\n\tb: 1\n", 2, "spaces, not tabs"),
        (b"a: 1\nb: \xff\n", 1, "save the file as UTF-8"),
        (b"a: 1\nb: *x\n", 2, "the anchor of this alias"),
        (b"a: 1\nb: &b [*b]\n", 2, "contains itself"),
        (b"a: 1\nb: .inf\n", 2, "not a finite number"),
        (b"- a\n", 1, "expected keys and values"),
        (b"a: b: c\n", 1, "indentation"),
    ],
)
def test_file_that_helm_cannot_read_is_an_error_at_its_line(data: bytes, line: int, says: str) -> None:
    diagnostic = only_diagnostic(data)
    assert (diagnostic.rule, diagnostic.line) == ("TFC001", line)
    assert says in f"{diagnostic.message}; {diagnostic.fix}"


def alias_bomb(levels: int) -> bytes:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(lines).encode()


@pytest.mark.parametrize(
    "data",
    [
        alias_bomb(10),
        b"[" * 1_000_000,
        b"{a: " * 100_000,
        b"".join(b" " * i + b"a:\n" for i in range(1000)),
        b"\xff" * 1_000_000,
        b"a: " + b"x" * MAX_BYTES,
    ],
    ids=["aliases", "lists", "maps", "indentation", "no text", "size"],
)
def test_hostile_file_is_one_error_and_little_work(data: bytes) -> None:
    steps(lambda: read(data, "v.yaml"), limit=2_000_000)  # the aliases take half of it, the others next to nothing
    assert only_diagnostic(data).rule == "TFC001"


@settings(max_examples=500, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=60), st.text(alphabet="ab:-[]{}&*!|>%'\"#,?\n\t 01<=~.é\x85", max_size=40).map(str.encode)
    )
)
@example(b"a: !!binary \xc3\xa9")
@example(b"a: !!int x")
@example(b"\xff\xfea\x00")
def test_no_bytes_crash_it(data: bytes) -> None:
    plain(read(data, "v.yaml").root)


@given(st.text())
def test_every_text_resolves_to_something(text: str) -> None:
    resolve(text)

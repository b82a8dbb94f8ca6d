"""Tables fit the terminal whatever is in them, and durations are read as they are written."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfconfig.tensorflow_job.lifecycle.text import duration, shortened
from tfconfig.terminal import colour_wanted, escaped, escaped_line, labelled, list_width, parse_duration, table

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Mn", "Cf"]), max_size=60)


@given(st.lists(st.tuples(WORDS, WORDS, WORDS, WORDS), max_size=5), st.integers(60, 160))
def test_no_line_is_wider_than_the_terminal_and_none_breaks_it(rows: list[tuple[str, ...]], columns: int) -> None:
    for line in table(("TASK", "STATE", "NODE", "WHY"), rows, columns):
        assert len(line) <= columns
        assert line.isprintable()


def test_the_last_column_is_wrapped_and_long_names_lose_their_middle() -> None:
    node = "ip-10-0-117-23.eu-central-1.compute.internal"
    why = "Unschedulable: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu"
    assert table(("TASK", "NODE", "WHY"), [("worker-0", node, why)], 70) == [
        "TASK      NODE                            WHY",
        "worker-0  ip-10-0-117-23.…mpute.internal  Unschedulable: 0/3 nodes are",
        "                                          available: 3 Insufficient",
        "                                          nvidia.com/gpu",
    ]
    assert table(("TASK", "NODE", "WHY"), [("worker-0", node, why)], 160)[1].endswith(why)


def test_a_list_has_a_line_each_and_whole_names_where_no_terminal_shows_it() -> None:
    name, why = "a-rather-long-name-of-a-job-42abc", "Unschedulable: 0/3 nodes are available: " + "too few GPUs, " * 20
    head, rows = ("NAME", "PHASE", "MESSAGE"), [(name, "Pending", why)]
    cut = table(head, rows, 80, one_line=True)
    assert len(cut) == 2
    assert len(cut[1]) <= 80
    assert cut[1].endswith("…")
    assert table(head, rows, list_width(io.StringIO()), one_line=True)[1].split("  ") == [name, "Pending", why.strip()]
    assert table(head, rows, 50, shorten=False)[1].startswith(name)


def test_a_last_column_without_text_is_left_out() -> None:
    assert table(("TASK", "WHY"), [("worker-0", "")], 80) == ["TASK", "worker-0"]


def test_labels_without_text_are_left_out_and_texts_stand_below_each_other() -> None:
    assert labelled(
        [("phase", "Running"), ("why", ""), ("message", "one two three four five six seven eight")], 40
    ) == [
        "phase    Running",
        "message  one two three four five six",
        "         seven eight",
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\033]0;owned\a\033[2J", "\\x1b]0;owned\\x07\\x1b[2J"),
        ("\u202e\u2028x\r", "\\u202e\\u2028x\\r"),
        ("  ::set-output name=verdict::pass", "  \\x3a:set-output name=verdict::pass"),
        ("a ##[add-mask]b ##[c]", "a \\x23#[add-mask]b \\x23#[c]"),
        ("dial ::1 refused; std::vector; # [1]", "dial ::1 refused; std::vector; # [1]"),
    ],
)
def test_what_would_control_a_terminal_or_a_ci_is_escaped(text: str, shown: str) -> None:
    assert escaped(text) == shown
    assert escaped_line(f"{text}\tx") == f"{shown}\tx"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 s"), (59.9, "59 s"), (60, "1 min"), (92, "1 min 32 s"), (7620, "2 h 7 min"), (273600, "3 d 4 h")],
)
def test_durations_have_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("2d", 172800), ("1.5h", 5400)]
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "90", "1.5", "10 m", "-5s", "5x", "s5", "1e3"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write 90s, 10m or 1h30m"):
        parse_duration(text)


def test_a_text_is_cut_after_a_word() -> None:
    assert shortened("dial tcp: connect: network is unreachable", 25) == "dial tcp: connect:…"
    assert shortened("x" * 30, 25) == "x" * 24 + "…"
    assert shortened("short", 25) == "short"


@pytest.mark.parametrize(
    ("environment", "terminal", "wanted"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"TERM": "dumb"}, True, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
    ],
)
def test_colour_is_for_terminals_unless_the_environment_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], terminal: bool, wanted: bool
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal, raising=False)
    assert colour_wanted(stream) is wanted

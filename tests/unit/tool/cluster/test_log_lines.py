"""Logs of several tasks in one stream: which tasks, in which order, and how they are printed."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.job_specs import changed
from tests.unit.tool.cluster.documents import NOW, documents, job_spec
from tfconfig.cluster.job_text import kept_logs
from tfconfig.cluster.job_view import view
from tfconfig.cluster.log_lines import LIFECYCLE, LinePrinter, merged, parts, split_time
from tfconfig.cluster.task_logs import select_tasks
from tfconfig.tensorflow_job.lifecycle.state import State
from tfconfig.tensorflow_job.task.job_spec import Task, name
from tfconfig.terminal import colour_wanted

TASKS = [Task("chief", 0), *(Task("worker", index) for index in range(4)), Task("ps", 0)]


def test_a_bar_of_one_long_line_is_cut_where_it_is_drawn_anew() -> None:
    pieces = iter([b"\r1/3 [=>.]\r2/3 [=", b"=>]\r3/3 [===]\n", b"plain, lo", b"ng\n", b"\r1/", b"2", b""])
    assert list(parts(lambda: next(pieces))) == [
        b"\r1/3 [=>.]", b"\r2/3 [==>]\r3/3 [===]\n", b"plain, lo", b"ng\n", b"\r1/", b"2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("only", "names"),
    [
        ([], [name(task) for task in TASKS]),
        (["worker-3"], ["worker-3"]),
        (["ps", "worker-1", "ps-0"], ["worker-1", "ps-0"]),
        (["worker"], ["worker-0", "worker-1", "worker-2", "worker-3"]),
    ],
)
def test_tasks_are_chosen_by_role_or_one_by_one(only: list[str], names: list[str]) -> None:
    assert [name(task) for task in select_tasks(TASKS, only)] == names


def test_a_task_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(ValueError, match="worker-4") as refused:
        select_tasks(TASKS, ["worker-4"])
    message = "worker-4: no such task; this job has chief-0, worker-0 to worker-3, ps-0"
    assert str(refused.value) == message


def test_times_of_nodes_in_other_zones_compare_as_texts() -> None:
    utc, text = split_time("2026-11-23T15:17:31.5Z line 1 of 2")
    assert (utc, text) == ("2026-11-23T15:17:31.500000000Z", "line 1 of 2")
    assert split_time("2026-11-23T17:17:31.500000001+02:00 x")[0] > utc
    assert split_time("2026-11-23T10:17:31.499999999-05:00 x")[0] < utc
    assert split_time("2026-11-23T15:17:31Z") == ("2026-11-23T15:17:31.000000000Z", "")


def test_where_complete_logs_are_kept_is_shown() -> None:
    kept = changed(job_spec(), logs={"maxBytes": 10, "files": 2})
    assert kept_logs(view(documents(State(), job=kept), NOW)) == (
        "complete logs: /checkpoints/digits/logs/0123456789/TASK.log on claim digits-checkpoints, "
        "for any pod that mounts it"
    )
    assert kept_logs(view(documents(State()), NOW)) == ""


def test_a_line_without_a_time_stays_whole() -> None:
    assert split_time("unable to retrieve container logs") == ("", "unable to retrieve container logs")


@given(st.dictionaries(st.sampled_from("abc"), st.lists(st.integers(0, 59), max_size=20)))
def test_merged_logs_keep_every_line_and_the_order_within_each_task(logs: dict[str, list[int]]) -> None:
    texts = {
        who: "".join(f"2026-11-23T15:17:{second:02}Z {number}\n" for number, second in enumerate(seconds))
        for who, seconds in logs.items()
    }
    lines = merged(texts)
    for who, seconds in logs.items():
        assert [line for task, line in lines if task == who] == [str(number) for number in range(len(seconds))]
    if all(seconds == sorted(seconds) for seconds in logs.values()):
        times = [logs[task][int(line)] for task, line in lines]
        assert times == sorted(times)


def printer(stream: io.StringIO) -> LinePrinter:
    return LinePrinter(["worker-0"], stream, colour_wanted(stream))


def test_lines_have_the_tasks_name_and_colour_only_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(variable, raising=False)
    plain = io.StringIO()
    printer(plain).line("worker-0", "step 1")
    assert plain.getvalue() == "worker-0  | step 1\n"
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = io.StringIO()
    both = printer(coloured)
    both.line("worker-0", "step 1")
    both.line(LIFECYCLE, "Succeeded")
    assert coloured.getvalue() == "\033[36mworker-0  |\033[0m step 1\nlifecycle | Succeeded\n"
    monkeypatch.setenv("NO_COLOR", "1")
    neither = io.StringIO()
    printer(neither).line("worker-0", "step 1")
    assert neither.getvalue() == plain.getvalue()

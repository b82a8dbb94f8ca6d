"""Failures that are recognised, and told with what to do: by real last lines, by Kubernetes, by the exit status."""

from __future__ import annotations

import pytest

from hack.known_failures import PAGE, with_table
from tests.unit.job_specs import a_job
from tfconfig.tensorflow_job.lifecycle.endings import failed, with_last_words
from tfconfig.tensorflow_job.lifecycle.known_failures import KNOWN, advice
from tfconfig.tensorflow_job.lifecycle.state import Exit, State
from tfconfig.tensorflow_job.lifecycle.summary import summary
from tfconfig.tensorflow_job.task.job_spec import Task

from .failures import SAMPLES

ADVICE = {known.title: known.advice for known in KNOWN}
TRACEBACK = 'Traceback (most recent call last):\n  File "train.py", line 3, in <module>\n    run()\n'
NOISE = "2026-11-28 16:00:00.123456: W tensorflow/core/local_rendezvous.cc:404] Local rendezvous is aborting\n"


def as_printed(sample: str) -> str:
    """The end of a program's output with it."""
    return f"step 1: loss 0.3\n{TRACEBACK}{sample}\n{NOISE * 30}"


@pytest.mark.parametrize(("title", "sample"), [(title, text) for title, texts in SAMPLES.items() for text in texts])
def test_a_known_failure_is_explained_with_what_to_do(title: str, sample: str) -> None:
    assert advice(sample, 1) == ADVICE[title]
    assert advice(as_printed(sample), 1) == ADVICE[title]


def test_whom_a_task_waited_for_at_its_start_explains_nothing() -> None:
    waited = "tensorflow-job: waiting for worker-0: name not found, 2 s\ntensorflow-job: worker-0 answers after 5 s\n"
    assert advice(f"{waited}step 1\nfalls\n", 3) == ""
    assert advice(f"{waited}tensorflow-job: cannot run python9: No such file or directory\n", 127) != ""


def test_the_page_lists_them_all() -> None:
    page = PAGE.read_text("utf-8")
    assert with_table(page) == page, "run: python -m hack.known_failures"


def test_each_has_a_sample_or_is_known_by_kubernetes() -> None:
    assert {known.title for known in KNOWN if not known.reasons} == set(SAMPLES)


@pytest.mark.parametrize(
    ("reason", "code", "title"),
    [
        ("OOMKilled", 137, "The container needs more memory than its limit"),
        ("StartError", 128, "The container cannot be started"),
        ("ContainerCannotRun", 127, "The container cannot be started"),
        ("Error", 132, "The CPU lacks instructions of the image's build"),
        ("Error", 135, "/dev/shm is too small"),
        ("Error", 127, "The command is missing"),
        ("Error", 126, "A file may not be executed"),
    ],
)
def test_kubernetes_and_the_exit_status_give_some_away(reason: str, code: int, title: str) -> None:
    assert advice("", code, reason) == ADVICE[title]
    assert advice("step 3: loss 0.1", code, reason) == ADVICE[title]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ValueError: x must be a tensor",
        "KeyError: 'experimental'",
        "step 3: loss 0.1",
        # What every program without a GPU prints, and what this one got over.
        "2026-11-28 16:00:00.1: I external/local_xla/xla/tsl/cuda/cudart_stub.cc:31] Could not find cuda drivers\n"
        "E0000 00:00:1.1 1 cuda_executor.cc:1] failed call to cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device\n"
        f"{TRACEBACK}ValueError: x",
        f"{TRACEBACK}PermissionError: [Errno 13] Permission denied: '/a'\nusing /tmp\n{TRACEBACK}KeyError: 'x'",
    ],
)
def test_others_are_left_alone(text: str) -> None:
    assert advice(text, 1, "Error") == ""


def test_an_error_is_explained_by_the_one_that_led_to_it() -> None:
    text = (
        f"{TRACEBACK}OSError: [Errno 28] No space left on device\n\n"
        f"During handling of the above exception, another exception occurred:\n\n{TRACEBACK}RuntimeError: cannot save"
    )
    assert advice(text, 1) == ADVICE["A volume is full"]


def test_the_summary_of_a_failed_run_has_line_and_hint() -> None:
    job, chief = a_job(chief=1, worker=1, ps=1), Task("chief", 0)
    state = failed(State(run_id="a"), 9.0, "TaskFailed", "chief-0 exited 1", chief, Exit(1, last_line="KeyError: 1"))
    assert (state.last_line, state.hint) == ("KeyError: 1", "")
    state = with_last_words(state, as_printed(SAMPLES["A volume is full"][0]))
    lines = summary(job, state, "", {})
    assert f"last line:   {SAMPLES['A volume is full'][0]}" in lines
    assert f"hint:        {ADVICE['A volume is full']}" in lines


def test_memory_that_kubernetes_took_is_the_reason_whatever_was_printed() -> None:
    exit_ = Exit(137, "OOMKilled", last_line="step 7")
    state = failed(State(run_id="a"), 9.0, "TaskFailed", "worker-0 exited 137", Task("worker", 0), exit_)
    state = with_last_words(state, as_printed(SAMPLES["Too many pings"][0]))
    assert state.hint == ADVICE["The container needs more memory than its limit"]


def test_a_program_that_succeeded_gets_no_hint() -> None:
    done = State(run_id="a", phase="Succeeded", reason="Completed", deciding_task=Task("chief", 0), exit_code=0)
    assert with_last_words(done, SAMPLES["Too many pings"][0]) == done

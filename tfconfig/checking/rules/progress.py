"""Rules about where the job's progress is looked for."""

from __future__ import annotations

from collections.abc import Iterator

from tfconfig.checking.rules.registry import JobValues, rule
from tfconfig.diagnostics import Diagnostic
from tfconfig.tensorflow_job.task.printed import check
from tfconfig.values.job_spec import progress_sources

LONG_SECONDS = 3600  # most programs save at least this often


@rule("TFC350")
def _pattern(job: JobValues) -> Iterator[Diagnostic]:
    progress = progress_sources(job.data)
    wrong = check(progress["pattern"]) if progress["pattern"] else ""
    if wrong:
        fix = r"write one as Python reads it, with a group for the step: step (?P<step>\d+) loss (?P<loss>[\d.]+)"
        yield job.diagnostic("TFC350", ("progress", "pattern"), wrong, fix)


@rule("TFC351")
def _unused_pattern(job: JobValues) -> Iterator[Diagnostic]:
    progress = progress_sources(job.data)
    if progress["pattern"] and "output" not in progress["sources"]:
        message, fix = "without effect, because progress.sources has no output", "add output to progress.sources"
        yield job.diagnostic("TFC351", ("progress", "pattern"), message, fix, (("progress", "sources"),))


@rule("TFC352")
def _stall_between_saves(job: JobValues) -> Iterator[Diagnostic]:
    sources, limit = progress_sources(job.data)["sources"], job.data["deadlines"].get("stallSeconds")
    if limit and sources and "output" not in sources and limit < LONG_SECONDS:
        message = f"{limit}, but the step is known from {' and '.join(sources)} alone, each time the program saves"
        fix = "set it longer than the time from one save to the next, an hour say, or add output to progress.sources"
        yield job.diagnostic("TFC352", ("deadlines", "stallSeconds"), message, fix, (("progress", "sources"),))

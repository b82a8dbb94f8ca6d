"""`tfconfig run`: run a job on this machine, as local processes."""

from __future__ import annotations

import re
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tfconfig.commands import options, paths
from tfconfig.local import isolation
from tfconfig.local.console import Console
from tfconfig.local.dry_run import planned
from tfconfig.local.errors import CannotRunError
from tfconfig.local.folders import program_folder
from tfconfig.local.kept_logs import KeptLogs
from tfconfig.local.local_job import cluster_only, local_job
from tfconfig.local.program_check import check_program, check_pythons
from tfconfig.local.runner import LocalRunner, run_to_end
from tfconfig.local.summary import print_summary
from tfconfig.tensorflow_job.lifecycle.state import SUCCEEDED
from tfconfig.tensorflow_job.task import job_spec
from tfconfig.tensorflow_job.task.names import STATUS_KEY
from tfconfig.terminal import INTERRUPTED
from tfconfig.values.set_flags import SetFlags

if TYPE_CHECKING:
    from tfconfig.tensorflow_job.task.contracts import JobSpec

FAILED = 1
MAX_NAME = 40


def _data(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, Path]:
    pairs = [argument.partition("=") for argument in given]
    for key, equals, path in pairs:
        if not (key and equals and path):
            raise click.BadParameter(
                f"{key}{equals}{path}: expected NAME=DIR, a data volume of the values and a folder"
            )
    return {key: Path(path) for key, _, path in pairs}


@click.command("run")
@options.job_values
@click.option(
    "--release",
    metavar="NAME",
    help="Name of the job; default: the last values file's folder, and its own name unless it is values.yaml.",
)
@click.option("--checkpoint", type=paths.FOLDER, metavar="DIR", help="Checkpoint folder; default: ./checkpoints/NAME.")
@click.option("--data", multiple=True, callback=_data, metavar="NAME=DIR", help="The folder of a data volume.")
@click.option(
    "--python", type=paths.TEXT, metavar="PYTHON",
    help="The Python that has TensorFlow; default: as in the values, on PATH.",
)  # fmt: skip
@click.option("--logs", type=paths.FOLDER, metavar="DIR", help="Also write each task's output to DIR/TASK.log.")
@click.option("--isolate", is_flag=True, help="Give the tasks a network of their own: nobody else, and no internet.")
@click.option("--dry-run", is_flag=True, help="Check everything and print what would start; start nothing.")
@click.option("--port", type=click.IntRange(1, 65535), help="First of consecutive ports; default: free ones.")
def command(
    files: tuple[str, ...],
    sets: SetFlags,
    release: str | None,
    checkpoint: Path | None,
    data: dict[str, Path],
    python: str | None,
    logs: Path | None,
    isolate: bool,
    dry_run: bool,
    port: int | None,
) -> None:
    """Run a job as processes of this machine, with the lifecycle it has on a cluster.

    Ctrl-C stops every task and waits for it; a second Ctrl-C kills them.

    Exit status: 0 succeeded, 1 failed or errors in the values, 2 usage error or not able to run here, 130 interrupted.
    """
    release = release or _default_release(files)
    values = options.load_valid(files, sets, release)
    try:
        job, launches = local_job(values, release, checkpoint, data, python, port, dry_run)
        kept = _kept_logs(job, logs) if logs and not dry_run else None
        console = Console(job_spec.tasks(job), kept)
        temporary = _temporary_folder()
    except CannotRunError as error:
        raise click.UsageError(str(error)) from error
    with temporary as folder:
        try:
            start = program_folder(values, Path(folder))
            check_program(job, launches, start)
            check_pythons(job, launches)
            if dry_run:
                click.echo("\n".join(planned(job, launches)))
                return
            if isolate:
                isolation.isolate()
        except CannotRunError as error:
            raise click.UsageError(str(error)) from error
        if ignored := cluster_only(values.data, job):
            console.say(f"only on a cluster, not here: {ignored}; the program starts in {start}")
        started = time.time()
        runner = LocalRunner(job, launches, Path(folder), start, console, isolated=isolate)
        try:
            state, interrupted = run_to_end(runner)
        except CannotRunError as error:
            console.end()
            raise click.UsageError(str(error)) from error
        console.end()
        if kept:
            kept.keep_status(Path(folder, STATUS_KEY))
        print_summary(console, job, state, started, runner.last_output)
        if kept and kept.error:
            console.say(f"  logs           incomplete: {kept.error}")
    if console.error:
        raise click.UsageError(f"standard output: {console.error}; the job was ended")
    if not state.ended and (interrupted or console.broken):
        sys.exit(INTERRUPTED)
    sys.exit(0 if state.phase == SUCCEEDED else FAILED)


def _kept_logs(job: JobSpec, logs: Path) -> KeptLogs:
    try:
        return KeptLogs(logs, job_spec.tasks(job))
    except OSError as error:
        raise CannotRunError(f"--logs {logs}: {error.strerror}; choose a writable folder") from error


def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="tfconfig-")
    except OSError as error:
        raise CannotRunError(
            f"no temporary folder is writable ({error.strerror}); set TMPDIR to one that is"
        ) from error


def _default_release(files: tuple[str, ...]) -> str:
    """The name of a job on this machine: its folder's, and its file's unless that is values.yaml. No two share it."""
    if not files or files[-1] == "-":
        return "job"
    file = Path(files[-1]).resolve()
    stem = "" if file.stem == "values" else file.stem
    folder_and_file, alone = (_label(text) for text in (f"{file.parent.name}-{stem}", stem or file.parent.name))
    return (folder_and_file if len(folder_and_file) <= MAX_NAME else alone[:MAX_NAME].rstrip("-")) or "job"


def _label(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).lstrip("-0123456789").rstrip("-")

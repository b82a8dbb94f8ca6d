"""`tfconfig run`: run a job on this machine, as local processes."""

from __future__ import annotations

import re
import sys
import tempfile
import time
from pathlib import Path

import click

from tfconfig.commands import options
from tfconfig.local import isolation
from tfconfig.local.console import Console
from tfconfig.local.errors import CannotRunError
from tfconfig.local.folders import program_folder
from tfconfig.local.local_job import cluster_only, local_job
from tfconfig.local.program_check import check_program
from tfconfig.local.runner import LocalRunner, run_to_end
from tfconfig.local.summary import print_summary
from tfconfig.tensorflow_job.lifecycle.state import SUCCEEDED
from tfconfig.tensorflow_job.task import job_spec
from tfconfig.values.set_flags import SetFlags

FAILED, INTERRUPTED = 1, 130
_Folder = click.Path(file_okay=False, path_type=Path)


def _data(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, Path]:
    pairs = [argument.partition("=") for argument in given]
    for key, equals, path in pairs:
        if not (key and equals and path):
            raise click.BadParameter(
                f"{key}{equals}{path}: expected NAME=DIR, a data volume of the values and a folder"
            )
    return {key: Path(path) for key, _, path in pairs}


@click.command("run")
@options.values
@click.option("--release", metavar="NAME", help="Name of the job; default: the folder of the last values file.")
@click.option("--checkpoint", type=_Folder, metavar="DIR", help="Checkpoint folder; default: ./checkpoints/NAME.")
@click.option("--data", multiple=True, callback=_data, metavar="NAME=DIR", help="The folder of a data volume.")
@click.option("--python", metavar="PYTHON", help="The Python that has TensorFlow; default: as in the values, on PATH.")
@click.option("--logs", type=_Folder, metavar="DIR", help="Also write each task's output to DIR/TASK.log.")
@click.option("--isolate", is_flag=True, help="Give the tasks a network of their own: nobody else, and no internet.")
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
    port: int | None,
) -> None:
    """Run a job as processes of this machine, with the lifecycle it has on a cluster.

    Ctrl-C stops every task and waits for it; a second Ctrl-C kills them.

    Exit status: 0 succeeded, 1 failed or errors in the values, 2 usage error or not able to run here, 130 interrupted.
    """
    release = release or _default_release(files)
    values = options.load_valid(files, sets, release)
    try:
        job, launches = local_job(values, release, checkpoint, data, python, port)
        console = Console(job_spec.tasks(job), logs)
    except (CannotRunError, OSError) as error:
        raise click.UsageError(str(error)) from error
    with tempfile.TemporaryDirectory(prefix="tfconfig-") as folder:
        start = program_folder(values, Path(folder))
        try:
            check_program(job, launches, start)
            if isolate:
                isolation.isolate()
        except CannotRunError as error:
            raise click.UsageError(str(error)) from error
        if ignored := cluster_only(values.data, job):
            console.say(f"only on a cluster, not here: {ignored}; the program starts in {start}")
        started = time.time()
        state, interrupted = run_to_end(LocalRunner(job, launches, Path(folder), start, console, isolated=isolate))
        console.end()
        print_summary(console, job, state, started)
    if interrupted and not state.ended:
        sys.exit(INTERRUPTED)
    sys.exit(0 if state.phase == SUCCEEDED else FAILED)


def _default_release(files: tuple[str, ...]) -> str:
    """The name of a job on this machine: that of the folder its values are in."""
    folder = Path(files[-1]).resolve().parent.name if files and files[-1] != "-" else ""
    return re.sub(r"[^a-z0-9]+", "-", folder.lower())[:40].lstrip("-0123456789").rstrip("-") or "job"

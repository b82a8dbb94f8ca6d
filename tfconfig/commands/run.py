"""`tfconfig run`: the job of a values file on this machine, from free ports to a summary."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
import tempfile
import time
from pathlib import Path

import click

from tfconfig.commands import options
from tfconfig.local import orphans
from tfconfig.local.console import Console
from tfconfig.local.prepare import CannotRunError, Options, left_out, local_job, program_folder
from tfconfig.local.runner import Local
from tfconfig.tensorflow_job.lifecycle.state import SUCCEEDED, State
from tfconfig.tensorflow_job.task import job_spec
from tfconfig.tensorflow_job.task.job_spec import JobSpec, name
from tfconfig.tensorflow_job.task.progress import words
from tfconfig.values.set_flags import SetFlags

INTERRUPTED = 130
_Folder = click.Path(file_okay=False, path_type=Path)


def _data(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, Path]:
    pairs = [argument.partition("=") for argument in given]
    for key, equals, path in pairs:
        if not (key and equals and path):
            raise click.BadParameter(
                f"{key}{equals}{path}: give NAME=DIR, the volume's name in the values and a folder"
            )
    return {key: Path(path) for key, _, path in pairs}


@click.command("run")
@options.values
@click.option("--release", metavar="NAME", help="Name of the job; default: the folder of the last values file.")
@click.option("--checkpoint", type=_Folder, metavar="DIR", help="Checkpoint folder; default: ./checkpoints/NAME.")
@click.option("--data", multiple=True, callback=_data, metavar="NAME=DIR", help="The folder of a data volume.")
@click.option("--python", metavar="PYTHON", help="The Python that has TensorFlow; default: as in the values, on PATH.")
@click.option("--logs", type=_Folder, metavar="DIR", help="Also write each task's output to DIR/TASK.log.")
@click.option("--port", type=click.IntRange(1, 65535), help="First of consecutive ports; default: free ones.")
def command(
    files: tuple[str, ...],
    sets: SetFlags,
    release: str | None,
    checkpoint: Path | None,
    data: dict[str, Path],
    python: str | None,
    logs: Path | None,
    port: int | None,
) -> None:
    """Run the job of a values file as processes of this machine, with the lifecycle it has on a cluster.

    A second Ctrl-C does not wait for anything.

    Exit status: 0 the job succeeded, 1 it failed or its values have errors, 2 usage error, 130 interrupted.
    """
    release = release or _default_release(files)
    values = options.load_valid(files, sets, release)
    try:
        job, launches = local_job(values, Options(release, checkpoint, data, python, port))
        console = Console(job_spec.tasks(job), logs)
    except (CannotRunError, OSError) as error:
        raise click.UsageError(str(error)) from error
    with tempfile.TemporaryDirectory(prefix="tfconfig-") as folder:
        start = program_folder(values, Path(folder))
        if missing := left_out(values.data, job):
            console.say(f"only on a cluster, not here: {missing}; the program starts in {start}")
        local = Local(job, launches, Path(folder), start, console)
        sys.exit(_run(local, job, console))


def _default_release(files: tuple[str, ...]) -> str:
    """The name of a job on this machine: that of the folder its values are in."""
    folder = Path(files[-1]).resolve().parent.name if files and files[-1] != "-" else ""
    return re.sub(r"[^a-z0-9]+", "-", folder.lower())[:40].lstrip("-0123456789").rstrip("-") or "job"


def _run(local: Local, job: JobSpec, console: Console) -> int:
    orphans.adopt()
    began = time.time()
    state, interrupted = asyncio.run(_supervise(local))
    console.end()
    _summarize(console, job, state, began)
    if interrupted and not state.ended:
        return INTERRUPTED
    return 0 if state.phase == SUCCEEDED else 1


async def _supervise(local: Local) -> tuple[State, bool]:
    """Run with Ctrl-C and SIGTERM caught: once asks every task to end, twice kills them."""
    interrupted = asyncio.Event()
    was = False

    def interrupt() -> None:
        nonlocal was
        was = True
        interrupted.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, interrupt)
    return await local.run(interrupted), was


def _summarize(console: Console, job: JobSpec, state: State, began: float) -> None:
    if state.decider and state.exit_code:
        console.say(f"last lines of {name(state.decider)}:")
        for line in console.tail(state.decider):
            console.say(f"    {line}")
    ended = state.finished or time.time()
    if state.ended:
        console.say(f"{state.phase} after {ended - began:.1f} s: {state.message}")
    else:
        console.say(f"Interrupted after {ended - began:.1f} s; no process of the job is left")
    if state.decider:
        console.say(f"  deciding task  {name(state.decider)}, exit status {state.exit_code}")
    if state.progress:
        console.say(f"  progress       {words(vars(state.progress))}")
    console.say(f"  restarts       {state.restarts} ({state.failures} failures counted)")
    if state.ended:
        console.say(f"  freed          {time.time() - ended:.1f} s after the end")
    console.say(f"  checkpoint     {job['checkpointDir'] or 'none (checkpoint.enabled is false)'}")

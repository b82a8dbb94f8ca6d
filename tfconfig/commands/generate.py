"""`tfconfig generate`: the TF_CONFIG of a job's tasks, made by the code that makes it in the pods."""

from __future__ import annotations

import json
import shlex

import click

from tfconfig.commands import options
from tfconfig.tensorflow_job.task.job_spec import dumps, name, tasks, tf_config
from tfconfig.values import job_spec
from tfconfig.values.chart import Chart
from tfconfig.values.set_flags import SetFlags


@click.command("generate")
@options.job_values
@options.release
@options.chart
@click.option("--task", "only", metavar="TASK", help="Only the TF_CONFIG of this task: worker-1.")
@options.output("text", "json", "env", text="text: a line per task; json: one object; env: a line for a shell.")
def command(
    files: tuple[str, ...], sets: SetFlags, release: str, chart: Chart | None, alias: str, only: str | None, form: str
) -> None:
    """Print the TF_CONFIG of each task, exactly as its pod computes it."""
    values = options.load_valid(files, sets, release, chart, alias)
    job = job_spec.job(values.data, values.job_release(release), values.chart.strategies)
    by_name = {name(task): task for task in tasks(job)}
    if only is not None:
        if only not in by_name:
            raise click.UsageError(f"--task {only}: no such task; this job has {_shortened(list(by_name))}")
        by_name = {only: by_name[only]}
    # Made one at a time: each of them names every task of the job.
    configs = ((key, tf_config(job, task)) for key, task in by_name.items())
    if form == "env":
        if len(by_name) > 1:
            raise click.UsageError("-o env is for one task; choose it with --task")
        click.echo("".join(f"TF_CONFIG={shlex.quote(dumps(config))}" for _, config in configs))
    elif form == "json":
        by_task = dict(configs)
        click.echo(json.dumps(by_task if only is None else by_task[only], indent=2))
    else:
        for key, config in configs:
            click.echo(dumps(config) if only else f"{key} {dumps(config)}")


def _shortened(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 8 else f"{', '.join(names[:4])}, … {names[-1]}"

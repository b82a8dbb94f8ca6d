"""`tfconfig init`: a values file to start from, with the comments that its first reader needs."""

from __future__ import annotations

from pathlib import Path

import click

_WORKERS = "worker:\n  replicas: 2\n  # gpus: 1  # of each worker\n"
_SERVERS = "\nps:\n  replicas: 1\n"
# What each strategy is, and its roles as they are written in a first file.
_STRATEGIES = {
    "ParameterServer": (
        "The chief runs the program; workers compute, parameter servers hold the variables (TF2).",
        _WORKERS + _SERVERS,
    ),
    "BetweenGraph": (
        "Every worker runs the program; parameter servers hold the variables (the TF1 way). Worker 0 decides.",
        _WORKERS + _SERVERS,
    ),
    "InGraph": (
        "The chief runs the program, one graph over all tasks; workers and parameter servers serve (the TF1 way).",
        _WORKERS + _SERVERS,
    ),
    "MultiWorkerMirrored": (
        "Every worker runs the program, and they add up their gradients among themselves: no parameter servers.",
        _WORKERS,
    ),
    "Custom": (
        "Every task runs the program, which reads its part from TF_CONFIG and starts its own server, as with TFJob.",
        "chief:\n  replicas: 1  # its success is the job's\n\n" + _WORKERS + _SERVERS,
    ),
}
_TEMPLATE = """\
# A {strategy} job. {about}
#
#   tfconfig validate {file}   the mistakes, before a cluster sees them
#   tfconfig run -f {file}     the job on this machine
#   helm install NAME "$(tfconfig chart)" -f {file}
#
# Editors check and complete this file after `tfconfig schema > values.schema.json`, with a first line of
# `# yaml-language-server: $schema=values.schema.json`. All values: the chart's README.md.
strategy: {strategy}

image:  # TensorFlow and all that the program imports
  repository: registry.example.com/team/train
  tag: "1.0"  # another one for each build: with `latest`, tasks may run different programs

program:
  command: [python3, train.py]  # one word each; not a shell line
  args: []  # $(NAME) is replaced by the variable NAME

env: {{}}  # NAME: "text". TF_CONFIG and CHECKPOINT_DIR are made for the program

{roles}
# evaluator:
#   replicas: 1

resources:  # of every task; a role may have its own
  requests: {{cpu: "2", memory: 4Gi}}
  limits: {{memory: 4Gi}}

checkpoint:  # a volume that all tasks mount; the program saves to CHECKPOINT_DIR and resumes from it
  size: 10Gi
  accessModes: [ReadWriteMany]  # the tasks are on several nodes
  # storageClassName: nfs  # the cluster's default may not offer ReadWriteMany
  # or, instead of all that: existingClaim: my-claim

# data:  # volumes to read from
#   images: {{mountPath: /data, existingClaim: images}}

restart:
  backoffLimit: 6  # failures to put up with; each starts again from the checkpoint
"""


def starter(strategy: str, file: str = "values.yaml") -> str:
    """The text of a first values file."""
    about, roles = _STRATEGIES[strategy]
    return _TEMPLATE.format(strategy=strategy, about=about, roles=roles, file=file)


_Strategy = click.Choice(list(_STRATEGIES), case_sensitive=False)


@click.command("init", short_help="Write a values file to start from.")
@click.argument("strategy", metavar="STRATEGY", type=_Strategy)
@click.option("-o", "--output", default="values.yaml", show_default=True, metavar="FILE", help="`-`: standard output.")
def command(strategy: str, output: str) -> None:
    """Write a commented values file for a job of this strategy.

    Which one? Two or more workers that mirror the variables: MultiWorkerMirrored. Parameter servers with TF2:
    ParameterServer. A TF1 program with --job_name and --ps_hosts: BetweenGraph, or InGraph where one task runs the
    graph of all. A program made for TFJob: Custom.
    """
    if output == "-":
        click.echo(starter(strategy), nl=False)
        return
    try:
        with Path(output).open("x", encoding="utf-8") as file:
            file.write(starter(strategy, output))
    except FileExistsError:
        raise click.UsageError(f"{output} exists; name another file with --output, or remove it") from None
    except OSError as e:
        raise click.UsageError(f"{output}: {e.strerror or e}; name a file that can be written") from None
    click.echo(f"{output} is written; next: put in your image and program, then tfconfig validate {output}", err=True)

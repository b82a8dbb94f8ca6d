"""The command line. Each command lives in its own module, which is imported only when the command is used."""

from __future__ import annotations

import importlib

import click

from tfconfig import __version__

# name -> (module:object of a click command, what the list of commands says about it)
COMMANDS = {
    "init": ("tfconfig.commands.init:command", "Write a values file to start from."),
    "validate": ("tfconfig.commands.validate:command", "Find the mistakes in values files, without a cluster."),
    "explain": ("tfconfig.commands.explain:command", "Tell what a rule is about, why, and what to do."),
    "plan": ("tfconfig.commands.plan:command", "Print what the job will ask of the cluster."),
    "run": ("tfconfig.commands.run:command", "Run the job here, as local processes."),
    "generate": ("tfconfig.commands.generate:command", "Print the TF_CONFIG of each task."),
    "doctor": ("tfconfig.commands.doctor:command", "Find what a cluster would refuse, before an install."),
    "status": ("tfconfig.commands.status:command", "Tell what a job on a cluster does."),
    "logs": ("tfconfig.commands.logs:command", "Follow what the tasks of a job print."),
    "wait": ("tfconfig.commands.wait:command", "Wait for the end of a job, and end as it did."),
    "schema": ("tfconfig.commands.schema:command", "Print the JSON Schema of the values, for editors."),
    "role": ("tfconfig.commands.role:command", "Print the service account for users who cannot create Roles."),
    "chart": ("tfconfig.values.chart:command", "Tell where the Helm chart is, or export it."),
    "completion": ("tfconfig.commands.completion:command", "Print what completes tfconfig's words in a shell."),
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tfconfig", message="%(prog)s %(version)s")
def main() -> None:
    """Distributed TensorFlow jobs from one values file: check it, predict it, run it."""

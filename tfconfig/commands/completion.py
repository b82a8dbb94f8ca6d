"""`tfconfig completion SHELL`: the script that completes commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the shell completion script.

    \b
    bash: eval "$(tfconfig completion bash)" in ~/.bashrc
    zsh:  eval "$(tfconfig completion zsh)" in ~/.zshrc, after compinit
    fish: tfconfig completion fish > ~/.config/fish/completions/tfconfig.fish
    """
    completion = get_completion_class(shell)
    if completion is None:
        raise click.UsageError(f"{shell} is not supported by the installed version of click")
    root = click.get_current_context().find_root().command
    click.echo(completion(root, {}, "tfconfig", "_TFCONFIG_COMPLETE").source())

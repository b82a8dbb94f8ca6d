"""`tfconfig explain ID`: what a rule is about, why it is there, and what to do."""

from __future__ import annotations

import click

from tfconfig.checking.rules import RULES, Rule


def known(prefix: str) -> list[Rule]:
    """The rules whose ids start so."""
    return [one for id, one in sorted(RULES.items()) if id.startswith(prefix.upper())]


@click.command("explain")
@click.argument("id", required=False, metavar="[ID]")
def command(id: str | None) -> None:
    """Tell what a rule is about, why, and what to do. Without ID: the list of rules; TFC1 lists those of that group."""
    found = known(id or "")
    if not found:
        raise click.UsageError(f"{id}: no such rule; `tfconfig explain` lists them")
    click.echo(_page(found[0]) if len(found) == 1 and id else _list(found))


def _list(rules: list[Rule]) -> str:
    return "\n".join(f"{one.id}  {one.severity:<7}  {one.title}" for one in rules)


def _page(one: Rule) -> str:
    parts = [f"{one.id} ({one.severity}): {one.title}", one.why, one.fix]
    if one.chart:
        parts.append("`helm install` refuses it too.")
    for word, example in (("Wrong", one.bad), ("Right", one.good)):
        if example:
            parts += [f"{word}:", "\n".join(f"    {line}" for line in example.rstrip().splitlines())]
    return "\n\n".join(parts)

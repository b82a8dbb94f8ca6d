"""`python -m hack.fuzz --seconds 600 [TARGET]...`: fuzz, and keep every input that is an error in build/fuzz."""

from __future__ import annotations

import hashlib
import random
import time
import traceback
from pathlib import Path

import click

from hack.fuzz.mutate import mutated
from hack.fuzz.targets import TARGETS, corpus

FINDINGS = Path(__file__).parents[2] / "build/fuzz"
SLOW_SECONDS = 5.0  # of CPU time, for one input


@click.command()
@click.argument("targets", nargs=-1, type=click.Choice(list(TARGETS)))
@click.option("--seconds", type=float, default=60.0, show_default=True, help="For all targets together.")
@click.option("--seed", type=int, help="Default: another one each time.")
def main(targets: tuple[str, ...], seconds: float, seed: int | None) -> None:
    """Fuzz the readers of data from outside. Add what is found to hack/fuzz/corpus, with the mend."""
    seed = random.randrange(1 << 32) if seed is None else seed
    rng, names = random.Random(seed), targets or tuple(TARGETS)
    runs, places = dict.fromkeys(names, 0), dict[str, int]()
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        target = min(names, key=runs.__getitem__) if rng.random() < 0.2 else rng.choice(names)
        runs[target] += 1
        inputs = corpus(target)
        data = mutated(rng, rng.choice(inputs), inputs)
        started = time.process_time()
        try:
            TARGETS[target](data)
            place = "slow" if time.process_time() - started > SLOW_SECONDS else ""
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{type(error).__name__} at {frame.filename}:{frame.lineno}"
        if place and place not in places:
            file = FINDINGS / target / hashlib.sha256(data).hexdigest()[:12]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
            click.echo(f"{target}: {place}: {file}")
        if place:
            places[place] = places.get(place, 0) + 1
    click.echo(f"seed {seed}: {runs}; {len(places)} places: {places}")
    if places:
        raise SystemExit(1)


if __name__ == "__main__":
    main()

"""$(NAME) in the texts of `env`, put in where every variable is known: in the pod. Pure. Python 3.6.

Kubernetes replaces only what a container's own list has before, which leaves out the variables made here, those of
envFrom and those of the image. So the chart hands texts with references over in job.json.
"""

from typing import Dict, List, Mapping, Set

from .job_spec import REFERENCE, expand


def deferred(text: str) -> bool:
    """Whether the chart leaves this text of `env` to the pod; so it does with an escaped reference."""
    return ")" in text.partition("$(")[2]


def names(text: str) -> Set[str]:
    """The names that a text refers to."""
    return {match.group(1)[1:-1] for match in REFERENCE.finditer(text) if match.group(1)[-1] == ")"}


def resolve(texts: Mapping[str, str], environ: Mapping[str, str]) -> Dict[str, str]:
    """The texts, each expanded once, with the variables of `environ` and with each other's values.

    A text that refers to its own name means the value in `environ`. Values that were put in are not looked at again.
    """
    waiting = {name: names(text) - {name} for name, text in texts.items()}
    result: Dict[str, str] = {}
    while waiting:
        ready = [name for name, others in waiting.items() if not others & set(waiting)]
        known = {**environ, **result}
        for name in ready or list(waiting):  # all that is left refers to itself in a circle, which TFC144 refuses
            result[name] = expand(texts[name], known)
            del waiting[name]
    return result


def circular(texts: Mapping[str, str]) -> List[str]:
    """The names of texts that refer to each other in a circle."""
    left = {name: names(text) - {name} for name, text in texts.items()}
    while True:
        named = set().union(*left.values()) if left else set()
        kept = {name: others for name, others in left.items() if name in named and others & set(left)}
        if len(kept) == len(left):
            return sorted(kept)
        left = kept

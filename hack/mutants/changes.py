"""The small changes that can be made to a Python source, one at a time."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

_TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
}  # fmt: skip
_REMOVED = (ast.Expr, ast.Assign, ast.AugAssign, ast.Raise, ast.Delete, ast.Continue, ast.Break)


class Mutant(NamedTuple):
    """A change: these bytes of a file are replaced."""

    file: str
    line: int
    start: int
    end: int
    new: str
    old: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {' '.join(self.old.split())}  ->  {self.new}"


def mutants(file: str, text: str) -> Iterator[Mutant]:
    """All changes of a source, in their order."""
    source = text.encode()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node, new in _changes(ast.parse(text)):
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        old = source[start:end].decode()
        if _is(node, old):
            yield Mutant(file, node.lineno, start, end, new, old)


def _is(node: ast.AST, text: str) -> bool:
    """Whether this is the text of the node: inside an f-string, before Python 3.12, the position may be wrong."""
    try:
        return ast.unparse(ast.parse(f"({text})" if isinstance(node, ast.expr) else text)) == ast.unparse(node)
    except SyntaxError:
        return False


def _changes(tree: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """Nodes, each with what takes its place. Annotations, and what only a type checker reads, are left alone."""
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for node in value if isinstance(value, list) else [value]:
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                continue
            if isinstance(node, ast.stmt):
                yield from ((node, new) for new in _statement(node))
            elif isinstance(node, ast.expr):
                condition = name in ("test", "ifs") and not isinstance(node, (ast.Compare, ast.BoolOp, ast.UnaryOp))
                yield from ((node, f"({new})") for new in _expression(node, condition))
            if isinstance(node, ast.AST):
                yield from _changes(node)


def _statement(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.Return) and node.value and ast.unparse(node.value) != "None":
        yield "return None"
    docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    # A name that is not set ends every test at once.
    kept = isinstance(node, ast.Assign) and any(isinstance(node.targets[0], kind) for kind in (ast.Name, ast.Tuple))
    if isinstance(node, _REMOVED) and not docstring and not kept:
        yield "pass"


def _expression(node: ast.expr, condition: bool) -> Iterator[str]:
    if condition:
        yield f"not ({ast.unparse(node)})"
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield str(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        yield str(node.value + 1)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield ast.unparse(node.operand)
    elif isinstance(node, ast.BoolOp):
        yield ast.unparse(ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values))
    elif isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
        yield ast.unparse(ast.BinOp(node.left, ast.Sub() if isinstance(node.op, ast.Add) else ast.Add(), node.right))
    elif isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            operators = [*node.ops[:place], _TURNED[type(operator)](), *node.ops[place + 1 :]]
            yield ast.unparse(ast.Compare(node.left, operators, node.comparators))

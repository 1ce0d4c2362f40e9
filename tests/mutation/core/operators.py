"""Mutants of a Python source: each is the source with one small fault.

Rule: mutants come from the syntax tree alone, in the order of their place, so that a seed names the same sample on
every machine. Docstrings, annotations, decorators, imports and the texts of errors are never changed.
"""

import ast
from collections.abc import Iterator
from dataclasses import replace

from tests.mutation.operators import Mutant

Fault = tuple[str, ast.AST, str]
"""Operator, the node whose text is replaced, and the text in its place."""

_BOUNDARY = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">"}
_NEGATION = {
    ast.Lt: ">=",
    ast.LtE: ">",
    ast.Gt: "<=",
    ast.GtE: "<",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}
_ARITHMETIC = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "//",
    ast.FloorDiv: "*",
    ast.Mod: "*",
    ast.Pow: "*",
    ast.BitOr: "&",
    ast.BitAnd: "|",
    ast.BitXor: "|",
    ast.LShift: ">>",
    ast.RShift: "<<",
}
_SWAPPED_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}
_SKIPPED = (ast.Import, ast.ImportFrom, ast.JoinedStr)


def mutants(file: str, source: str) -> list[Mutant]:
    """All mutants of a file, by their place, then by operator."""
    lines = source.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    tree, found = ast.parse(source), {}
    for operator, node, text in _faults(tree):
        place = (starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset)  # type: ignore[attr-defined]
        found[*place, text] = operator
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    made = [_mutant(file, source.encode(), operator, *place) for place, operator in sorted(found.items())]
    return [replace(mutant, before=f"{_function(functions, mutant.line)}{mutant.before}") for mutant in made]


def _function(functions: list[ast.FunctionDef], line: int) -> str:
    """The name of the function that a line is in: `return True` stands in many."""
    inside = [each for each in functions if each.lineno <= line <= (each.end_lineno or 0)]
    return f"{inside[-1].name}: " if inside else ""


def _faults(node: ast.AST) -> Iterator[Fault]:
    """Of a node and all below it."""
    yield from _of_statement(node)
    yield from _of_expression(node)
    for name, child in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "bases", "type_params"):
            continue
        children = [each for each in (child if isinstance(child, list) else [child]) if isinstance(each, ast.AST)]
        for each in children:
            if not isinstance(each, _SKIPPED) and not _is_text(each) and not _is_alias(each):
                yield from _faults(each)


def _is_text(node: ast.AST) -> bool:
    """A docstring."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_alias(node: ast.AST) -> bool:
    """The name of a type."""
    return isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "TypeAlias"


def _of_statement(node: ast.AST) -> Iterator[Fault]:
    match node:
        case ast.Expr(value=ast.Call()) | ast.Delete() | ast.Continue() | ast.Break() | ast.Raise() | ast.AugAssign():
            yield "removed", node, "pass"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript() | ast.Tuple(elts=[ast.Attribute(), *_])]):
            yield "removed", node, "pass"
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield "return", value, "None"
        case ast.If(test=test):
            yield "guard", test, "True"
            yield "guard", test, "False"
        case ast.While(test=test):
            yield "guard", test, "False"


def _of_expression(node: ast.AST) -> Iterator[Fault]:
    match node:
        case ast.Compare():
            yield from _comparisons(node)
        case ast.BoolOp(op=op, values=values):
            word = "or" if isinstance(op, ast.And) else "and"
            yield "boolean", node, f" {word} ".join(_grouped(value) for value in values)
            for left_out in values:
                rest = [_grouped(value) for value in values if value is not left_out]
                yield "guard", node, (" or " if isinstance(op, ast.Or) else " and ").join(rest)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "boolean", node, _grouped(operand)
        case ast.BinOp(op=op, left=left, right=right) if type(op) in _ARITHMETIC:
            yield "arithmetic", node, f"{_grouped(left)} {_ARITHMETIC[type(op)]} {_grouped(right)}"
        case ast.AugAssign(op=op, target=target, value=value) if type(op) in _ARITHMETIC:
            yield "arithmetic", node, f"{ast.unparse(target)} {_ARITHMETIC[type(op)]}= {ast.unparse(value)}"
        case ast.IfExp(test=test) if not isinstance(test, ast.Compare):
            yield "guard", test, f"not {_grouped(test)}"
        case ast.comprehension(ifs=[test]):
            yield "guard", test, "True"
        case ast.Call(func=ast.Name(id=name) as called) if name in _SWAPPED_CALLS:
            yield "call", called, _SWAPPED_CALLS[name]
        case ast.Call(func=ast.Name(id="sorted"), args=[argument], keywords=[]):
            yield "order", node, f"list({ast.unparse(argument)})"
        case ast.Constant():
            yield from _constants(node)


def _comparisons(node: ast.Compare) -> Iterator[Fault]:
    operands = [_grouped(each) for each in (node.left, *node.comparators)]
    words = [ast.unparse(ast.Compare(ast.Name("x"), [op], [ast.Name("x")]))[2:-2] for op in node.ops]
    for index, op in enumerate(node.ops):
        for operator, swaps in (("boundary", _BOUNDARY), ("negation", _NEGATION)):
            if type(op) in swaps:
                changed = [*words[:index], swaps[type(op)], *words[index + 1 :]]
                pairs = zip(changed, operands[1:], strict=True)
                yield operator, node, operands[0] + "".join(f" {word} {operand}" for word, operand in pairs)


def _constants(node: ast.Constant) -> Iterator[Fault]:
    match node.value:
        case bool():
            yield "constant", node, str(not node.value)
        case int():
            yield "constant", node, str(node.value + 1)
        case str():
            yield "constant", node, repr(node.value + "x")
        case bytes():
            yield "constant", node, repr(node.value + b"x")


def _grouped(node: ast.expr) -> str:
    text = ast.unparse(node)
    is_single = isinstance(node, ast.Name | ast.Attribute | ast.Constant | ast.Call | ast.Subscript | ast.Set)
    return text if is_single else f"({text})"


def _mutant(file: str, source: bytes, operator: str, start: int, end: int, text: str) -> Mutant:
    first = source.rfind(b"\n", 0, start) + 1
    last = source.find(b"\n", end)
    last = len(source) if last < 0 else last
    before = " ".join(source[first:last].decode().split())
    after = " ".join((source[first:start] + text.encode() + source[end:last]).decode().split())
    line = source.count(b"\n", 0, start) + 1
    return Mutant(file, line, operator, before, after, (source[:start] + text.encode() + source[end:]).decode())

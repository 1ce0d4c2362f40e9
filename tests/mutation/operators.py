"""Mutants of a Solidity source: each is the source with one small fault.

Rule: mutants come from the text alone, in the order of their place, so that a seed names the same sample on every
machine. A mutant that does not compile is dropped later; comments and texts of imports are never changed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Mutant:
    """One fault in one file. `before` and `after` are the changed lines without indentation: they name it."""

    file: str
    line: int
    operator: str
    before: str
    after: str
    source: str
    """Of the whole file."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.operator}: {self.before} -> {self.after or '(nothing)'}"


_SWAPS = {
    "boundary": {"<": ("<=",), "<=": ("<",), ">": (">=",), ">=": (">",)},
    "negation": {
        "<": (">=",),
        ">": ("<=",),
        "<=": (">",),
        ">=": ("<",),
        "==": ("!=",),
        "!=": ("==",),
        "&&": ("||",),
        "||": ("&&",),
        "true": ("false",),
        "false": ("true",),
    },
    "arithmetic": {
        "+": ("-",),
        "-": ("+",),
        "*": ("/",),
        "/": ("*",),
        "%": ("*",),
        "+=": ("-=",),
        "-=": ("+=",),
        "<<": (">>",),
        ">>": ("<<",),
        "&": ("|",),
        "|": ("&",),
        "^": ("|",),
        "|=": ("=", "&="),
    },
}
# Longest first; a token stands between blanks, as the formatter writes it.
_OPERATOR = re.compile(r"(?<= )(?:<<|>>|<=|>=|==|!=|&&|\|\||\+=|-=|\|=|[<>+\-*/%&|^])(?= )|\b(?:true|false)\b")
_NOT = re.compile(r"(?<=[( ])!(?=[\w(])")
_NUMBER = re.compile(r"(?<![\w.])(?:0x[0-9a-f]+|\d+)(?![\w.])")
_TEXT = re.compile(r'(?:hex)?"([^"]*)"')
_MODIFIER = re.compile(r"(?<=[ ])(?:nonReentrant|whenOpen)\b")
_PAIR = re.compile(r"\(([\w.\[\]]+), ([\w.\[\]() +]+)\) = \(([^;]+), ([^;,]+)\);")
_CALL = re.compile(r"[\w.]+(?:\([\w]*\)\.\w+)?(?:\{[^}]*\})?\(")
_UNORDERED = re.compile(r"emit |if \(|revert ")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_SKIPPED = re.compile(
    r"^[ ]*(?:import|pragma|using|event|error|struct|library|abstract|contract|modifier)\b", re.MULTILINE
)
_DECLARATION = re.compile(
    r"(?:return|for|while|else|unchecked|_;|(?:[\w.]+(?:\[\w*\])*(?: (?:memory|calldata|storage))? \w+(?: =|;)))"
)


def mutants(file: str, source: str) -> list[Mutant]:
    """All mutants of a file, by their place, then by operator."""
    code = _COMMENT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), source)
    code = _blank_declarations(code)
    found = {
        (start, end, text): operator
        for operator, start, end, text in (*_tokens(code), *_statements(code), *_orders(code))
    }
    return [_mutant(file, source, operator, *place) for place, operator in sorted(found.items())]


def _blank_declarations(code: str) -> str:
    """Without imports, events, errors and the like, which no call executes. Offsets stay."""
    kept = list(code)
    for skipped in _SKIPPED.finditer(code):
        has_block = skipped[0].split()[0] in ("struct", "library", "abstract", "contract", "modifier")
        stop = re.compile("[{]" if has_block else ";").search(code, skipped.end())
        end = len(code) if stop is None else stop.end()
        if skipped[0].strip() == "struct" and stop is not None:
            end = code.index("}", end) + 1
        kept[skipped.start() : end] = [" " if each != "\n" else each for each in kept[skipped.start() : end]]
    return "".join(kept)


def _tokens(code: str) -> Iterator[tuple[str, int, int, str]]:
    for found in _OPERATOR.finditer(code):
        for operator, swaps in _SWAPS.items():
            for other in swaps.get(found[0], ()):
                yield operator, found.start(), found.end(), other
    for found in _NOT.finditer(code):
        yield "negation", found.start(), found.end(), ""
    for found in _NUMBER.finditer(_without_texts(code)):
        long = found[0].startswith("0x") and len(found[0]) > 18
        other = _flipped(found[0]) if long else str(int(found[0], 0) + 1)
        yield "constant", found.start(), found.end(), other
    for found in _TEXT.finditer(code):
        is_hex = found[0].startswith("hex")
        yield "constant", found.start(1), found.end(1), _flipped(found[1]) if is_hex else found[1] + "x"
    for found in _MODIFIER.finditer(code):
        yield "removed", found.start(), found.end(), ""


def _without_texts(code: str) -> str:
    return _TEXT.sub(lambda found: " " * len(found[0]), code)


def _flipped(digits: str) -> str:
    """Another last hex digit."""
    return digits[:-1] + ("1" if digits[-1] == "0" else "0")


def _statements(code: str) -> Iterator[tuple[str, int, int, str]]:
    """Each statement that declares nothing and returns nothing, removed."""
    for start, end in _simple(code):
        yield "removed", start, end, ""


def _orders(code: str) -> Iterator[tuple[str, int, int, str]]:
    """A call swapped with the statement below or above it, and the values of a paired assignment. Events and refusals
    keep their places: their order among each other is nobody's concern."""
    places = _simple(code)
    for (start, end), (next_start, next_end) in pairwise(places):
        between, first, second = code[end:next_start], code[start:end], code[next_start:next_end]
        if between.strip() or between.count("\n") != 1 or _UNORDERED.match(first) or _UNORDERED.match(second):
            continue
        if _CALL.match(first) or _CALL.match(second):
            yield "order", start, next_end, second + between + first
    for found in _PAIR.finditer(code):
        if found[3] != found[4]:
            text = f"({found[1]}, {found[2]}) = ({found[4]}, {found[3]});"
            yield "order", found.start(), found.end(), text


def _simple(code: str) -> list[tuple[int, int]]:
    """Where statements of functions begin and end: those that begin a line and hold no block."""
    places = []
    for line in re.finditer(r"^ {8,}(?=\S)", code, re.MULTILINE):
        start = line.end()
        above = code[: line.start()].rstrip()
        if above and above[-1] not in "{};" and not above.endswith("{}"):
            continue
        end, depth = start, 0
        while end < len(code) and not (code[end] == ";" and depth == 0) and code[end] not in "{}":
            depth += {"(": 1, ")": -1}.get(code[end], 0)
            end += 1
        if end < len(code) and code[end] == ";" and not _DECLARATION.match(code, start):
            places.append((start, end + 1))
    return places


def _mutant(file: str, source: str, operator: str, start: int, end: int, text: str) -> Mutant:
    first = source.rindex("\n", 0, start) + 1
    last = source.index("\n", end)
    before = " ".join(source[first:last].split())
    after = " ".join((source[first:start] + text + source[end:last]).split())
    line = source.count("\n", 0, start) + 1
    return Mutant(file, line, operator, before, after, source[:start] + text + source[end:])

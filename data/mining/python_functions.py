"""From one Python file to material for training: described functions, other code, and text.

Run as a program it reads one path a line and answers with one line of JSON each; data/mining/source.py keeps several
such processes busy. It imports the standard library alone, so that a worker starts at once and stays small (15 MB).
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import re
import sys
import textwrap
import tokenize
import warnings
from collections.abc import Iterator
from types import CodeType

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef

LONGEST_CHUNK = 1200  # characters of an unlabelled piece: about 256 tokens of code
SHORTEST_CHUNK = 40  # shorter pieces of code or docstrings teach nothing
SHORTEST_COMMENT = 80  # "longer comments": below this they lean on the code around them
ABBREVIATIONS = re.compile(r"(?:e\.g|i\.e|etc|vs|cf|resp|approx|[A-Z])\.$")
UNIMPORTANT = {"annotation", "returns", "ctx", "kind", "type_comment", "type_params", "type_ignores"}
SIGNATURE = re.compile(r"^[\w.]+\(.*\)(?:\s*(?:->|=|:).*)?$")


def mine(text: str) -> dict[str, list]:
    """Mine one file, as plain lists for JSON. Raises SyntaxError or ValueError when it does not parse.

    "functions": [qualified name, description, code without docstring, key];
    "code": [line number, code, key] and "text": [line number, text] are unlabelled.
    A key is the hash of the normal form: two functions with one key are near duplicates.
    """
    tree = ast.parse(text)
    lines = text.split("\n")
    defined = list(definitions(tree))
    found: dict[str, list] = {
        "functions": [],
        "code": [
            [line, piece, digest(piece)]
            for line, source in other_code(tree, defined, lines) for piece in pieces(source)
        ],  # fmt: skip
        "text": [[line, piece] for line, whole in texts(tree, defined, lines) for piece in pieces(whole)],
    }
    for name, line, description, code, key in functions(defined, lines):
        if description:
            found["functions"].append([name, description, code, key])
        found["code"] += [[line, piece, f"{key}.{i}"] for i, piece in enumerate(pieces(code))]
    return found


def functions(defined: list[tuple[str, Definition]], lines: list[str]) -> Iterator[tuple[str, int, str, str, str]]:
    """(qualified name, line number, description or "", code without docstring, key) of what can stand alone."""
    for name, node in defined:
        code = without_docstring(node, lines) if isinstance(node, Function) else None
        inner = compiled(code) if code else None
        if inner is not None:
            description = first_sentence(ast.get_docstring(node) or "")
            yield name, node.lineno, description, code, normal_form(node, local_names(inner))


def definitions(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, Definition]]:
    """Classes, functions and methods with qualified names; what a function defines inside stays part of it."""
    for block in ("body", "handlers", "orelse", "finalbody", "cases"):
        for part in getattr(node, block, ()):
            if isinstance(part, Definition):
                yield prefix + part.name, part
            if isinstance(part, ast.ClassDef):
                yield from definitions(part, f"{prefix}{part.name}.")
            elif not isinstance(part, Function):
                yield from definitions(part, prefix)


def first_line(node: Definition) -> int:
    """The number of the definition's first line, decorators included."""
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def docstring_node(node: ast.Module | Definition) -> ast.Expr | None:
    """The statement that is the docstring of a module, class or function."""
    first = node.body[0] if node.body else None
    is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return first if is_text and isinstance(first.value.value, str) else None


def without_docstring(node: Function, lines: list[str]) -> str | None:
    """The function's source, dedented, its docstring cut out.

    None when nothing is left of its body, or when the docstring shares a line with code.
    """
    docstring = docstring_node(node)
    body = node.body[1:] if docstring else node.body
    if all(isinstance(part, ast.Pass) or is_ellipsis(part) for part in body):
        return None
    first = first_line(node)
    kept = list(range(first, node.end_lineno + 1))
    if docstring:
        if lines[docstring.lineno - 1][: docstring.col_offset].strip() or body[0].lineno <= docstring.end_lineno:
            return None
        after = docstring.end_lineno + 1
        while not lines[after - 1].strip():
            after += 1
        kept = [number for number in kept if not docstring.lineno <= number < after]
    indent = lines[first - 1][: node.col_offset]
    inside = inside_strings(body, lines) if indent else set()
    return "\n".join(
        lines[number - 1] if number in inside else lines[number - 1].removeprefix(indent) for number in kept
    )


def is_ellipsis(node: ast.stmt) -> bool:
    """Whether a node is the statement `...`."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and node.value.value is Ellipsis


def inside_strings(body: list[ast.stmt], lines: list[str]) -> set[int]:
    """The numbers of the lines that begin inside a string, whose indentation belongs to the string and stays."""
    inside = set()
    for part in (part for statement in body if statement.end_lineno > statement.lineno for part in ast.walk(statement)):
        if isinstance(part, ast.JoinedStr | ast.Constant) and part.end_lineno > part.lineno:
            begins = lines[part.lineno - 1]
            if '"""' in begins or "'''" in begins or begins.endswith("\\"):
                inside.update(range(part.lineno + 1, part.end_lineno + 1))
    return inside


def compiled(code: str) -> CodeType | None:
    """The function's code object, or None where the function cannot stand alone."""
    try:
        return compile(code, "<mined>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return None


def local_names(code: CodeType) -> set[str]:
    """The parameters and local variables of all functions in a code object."""
    inner = [local_names(part) for part in code.co_consts if isinstance(part, CodeType)]
    return set(code.co_varnames + code.co_cellvars).union(*inner)


def first_sentence(docstring: str) -> str:
    """The docstring's first sentence on one line, or "" when it does not begin with one.

    A first paragraph that only repeats the signature, `dumps(obj) -> bytes`, is passed over.
    """
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", inspect.cleandoc(docstring))]
    if len(paragraphs) > 1 and SIGNATURE.match(paragraphs[0]):
        paragraphs = paragraphs[1:]
    sentence = paragraphs[0]
    for end in re.finditer(r"[.!?](?=\s)", sentence):
        if not ABBREVIATIONS.search(sentence[: end.end()]):
            sentence = sentence[: end.end()]
            break
    words = re.findall(r"[^\W\d_]{2,}", sentence)
    is_prose = len(words) >= 2 and not sentence.startswith((">>>", "@", ":"))
    return sentence if is_prose and len(sentence) <= 400 and is_utf8(sentence) else ""


def is_utf8(text: str) -> bool:
    """Whether a text can be encoded: lone surrogates, which escapes in a string literal can make, cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def normal_form(node: Function, local: set[str]) -> str:
    """A hash of the function that comments, formatting, annotations and the names of locals do not change.

    What it calls, its attributes and its constants stay, or every getter would equal every other.
    """
    numbers: dict[str, str] = {}
    written: list[str] = []

    def write(value: object, role: str = "") -> None:
        if isinstance(value, ast.AST):
            written.append(type(value).__name__)
            docstring = docstring_node(value) if isinstance(value, Definition) else None
            for field in value._fields:
                if field == "body" and docstring:
                    write(value.body[1:])
                elif field not in UNIMPORTANT and not (value is node and field == "name"):
                    write(getattr(value, field, None), "" if isinstance(value, ast.alias | ast.keyword) else field)
        elif isinstance(value, list):
            written.append(str(len(value)))
            for part in value:
                write(part)
        elif role in ("id", "arg", "name") and (value in local or value == node.name):  # one that calls itself too
            written.append(numbers.setdefault(value, f"${len(numbers)}"))
        else:
            written.append(repr(value))

    write(node)
    return digest(" ".join(written))


def digest(text: str) -> str:
    """A short stable hash of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:20]


def pieces(text: str) -> Iterator[str]:
    """The text cut at line ends into pieces of at most LONGEST_CHUNK characters; tiny rests are dropped."""
    piece = ""
    for line in text.split("\n"):
        if piece and len(piece) + len(line) >= LONGEST_CHUNK:
            yield from [piece] if len(piece) >= SHORTEST_CHUNK else []
            piece = ""
        piece += f"\n{line}" if piece else line[:LONGEST_CHUNK]
    if len(piece) >= SHORTEST_CHUNK:
        yield piece


def other_code(
    tree: ast.Module, defined: list[tuple[str, Definition]], lines: list[str]
) -> Iterator[tuple[int, str]]:
    """The code outside functions, statements of modules and heads of classes, as (line number, source)."""
    covered = [False] * (len(lines) + 1)
    for node in (tree, *(node for _, node in defined)):
        docstring = docstring_node(node)
        if isinstance(node, Function):
            covered[first_line(node) : node.end_lineno + 1] = [True] * (node.end_lineno + 1 - first_line(node))
        elif docstring:
            length = docstring.end_lineno + 1 - docstring.lineno
            covered[docstring.lineno : docstring.end_lineno + 1] = [True] * length
    start = 1
    for number in range(1, len(lines) + 2):
        if number > len(lines) or covered[number]:
            source = textwrap.dedent("\n".join(line for line in lines[start - 1 : number - 1] if line.strip()))
            if source:
                yield start, source
            start = number + 1


def texts(
    tree: ast.Module, defined: list[tuple[str, Definition]], lines: list[str]
) -> Iterator[tuple[int, str]]:
    """Every docstring and every longer block of comment lines, as (line number, text)."""
    for node in (tree, *(node for _, node in defined)):
        docstring = docstring_node(node)
        if docstring and is_utf8(docstring.value.value):
            yield docstring.lineno, inspect.cleandoc(docstring.value.value)
    block: list[str] = []
    for number, line in enumerate([*lines, ""], start=1):
        if line.lstrip().startswith("#"):
            block.append(line.lstrip().lstrip("#").removeprefix(" "))
        elif block:
            text = "\n".join(block).strip()
            if len(text) >= SHORTEST_COMMENT:
                yield number - len(block), text
            block = []


def main() -> None:
    """Answer every path on standard input with one line of JSON: what it gives, or {"error": why not}."""
    warnings.simplefilter("ignore")  # other people's invalid escapes are not ours to report
    for path in sys.stdin:
        try:
            with tokenize.open(path.rstrip("\n")) as file:
                found = mine(file.read())
        except (SyntaxError, ValueError, RecursionError, MemoryError, OSError) as error:
            found = {"error": f"does not parse ({type(error).__name__})"}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()

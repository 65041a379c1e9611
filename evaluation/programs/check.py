"""The programs that may run without a sandbox: those that stay inside the grammar of the generated tasks.

The check reads the syntax tree and never runs anything. It is a list of what is allowed, so that what nobody thought
of is refused: a closed list of syntax, and of names those that the program binds itself and those of the grammar
(data/tasks/names.py: builtins and methods). From these no program reaches a file, a process, another module or a
frame: that takes an import, an underscored attribute, a forbidden builtin, or a method that reads attributes for one.
"""

from __future__ import annotations

import ast
import warnings

from data.tasks.names import ALLOWED_NAMES

# Never allowed, even if the grammar should name them: they reach attributes, modules, files, frames, or make classes
# whose objects compare equal to everything. `format` reads attributes: "{0.__class__}".format(x).
FORBIDDEN_NAMES = frozenset(
    "breakpoint classmethod compile delattr dir eval exec exit format format_map getattr globals hasattr help id input"
    " locals memoryview object open property quit setattr staticmethod super type vars"
    " f_back f_builtins f_code f_globals f_locals gi_code gi_frame mro throw tb_frame with_traceback".split()
)
GRAMMAR_NAMES = ALLOWED_NAMES - FORBIDDEN_NAMES

_STATEMENTS = (
    ast.Module, ast.FunctionDef, ast.arguments, ast.arg, ast.Return, ast.Assign, ast.AugAssign, ast.AnnAssign,
    ast.For, ast.While, ast.If, ast.Expr, ast.Pass, ast.Break, ast.Continue, ast.Assert,
)  # fmt: skip
_EXPRESSIONS = (
    ast.Name, ast.Constant, ast.Attribute, ast.Subscript, ast.Slice, ast.Starred, ast.Call, ast.keyword, ast.IfExp,
    ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.NamedExpr, ast.Lambda, ast.JoinedStr, ast.FormattedValue,
    ast.List, ast.Tuple, ast.Dict, ast.Set, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
    ast.comprehension,
)  # fmt: skip
_OPERATORS = (ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context)


def reason_to_refuse(code: str) -> str | None:
    """The reason why `code` may not run here, in a few words; None when it stays inside the grammar.

    Code that does not parse is not refused: running it fails without doing anything. Code that is nested so deeply
    that it cannot be read here is: with a shorter stack of its own, the process that runs it might read it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(code)
        nodes = list(ast.walk(tree))
    except (RecursionError, MemoryError):
        return "it is nested too deeply to be checked"
    except (SyntaxError, ValueError):
        return None
    known = GRAMMAR_NAMES | {name for node in nodes for name in _bound_names(node)}
    return next((reason for node in nodes if (reason := _refused(node, known))), None)


def _bound_names(node: ast.AST) -> list[str]:
    """The names that `node` itself gives a meaning to in the program."""
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.FunctionDef(name=name) | ast.arg(arg=name):
            return [name]
    return []


def _refused(node: ast.AST, known: frozenset[str]) -> str | None:
    """Why this one node is not of the grammar, or None."""
    if not isinstance(node, _STATEMENTS + _EXPRESSIONS + _OPERATORS):
        return f"{type(node).__name__} is not of the generated grammar"
    for name in _names(node):
        if "__" in name or name in FORBIDDEN_NAMES:
            return f"the name {name} is forbidden"
    match node:
        case ast.Name(id=name, ctx=ast.Load()) if name not in known:
            return f"the name {name} is not of the generated grammar"
        case ast.Attribute(attr=name) if name not in GRAMMAR_NAMES:
            return f"the method {name} is not of the generated grammar"
        case ast.Attribute(ctx=ast.Store()):
            return "attributes may not be set"
        case ast.FunctionDef(decorator_list=[_, *_]):
            return "decorators are not of the generated grammar"
    return None


def _names(node: ast.AST) -> list[str]:
    """Every identifier that stands in `node` itself, bound, read, or a keyword."""
    identifiers = (getattr(node, field, None) for field in ("id", "name", "arg", "attr"))
    return [name for name in identifiers if isinstance(name, str)]

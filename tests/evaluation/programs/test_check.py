import pytest

from evaluation.programs.check import FORBIDDEN_NAMES, GRAMMAR_NAMES, reason_to_refuse

ALLOWED = [
    "def f(xs):\n    return [x ** 2 for x in xs if x > 0]",
    "def f(xs):\n    total = 0\n    for i in range(len(xs)):\n        total += i * xs[i]\n    return total",
    "def f(words):\n    return sorted(set_of(words), key=lambda w: (len(w), w), reverse=True)\n"
    "def set_of(words):\n    return {w.upper(): None for w in words}",
    "def f(s, *rest, **more):\n    if (n := s.count('a')) > 1 and not rest:\n        return s[::-1]\n    return n",
    "f = lambda d: {k: v for k, v in d.items()}",
    "def f(x):\n    return f'{x:>{10}}' + '%s' % x + '{'",
    "def f(n):\n    while n > 0:\n        n -= 1\n        if n == 3:\n            break\n    assert n\n    return None",
    "def f(x) -> int:\n    y: int = abs(x)\n    return y",
]

ESCAPES = [
    "import os",
    "from os import system",
    "__import__('os')",
    "open('x', 'w')",
    "eval('1')",
    "exec('1')",
    "getattr(1, 'real')",
    "compile('1', '', 'eval')",
    "().__class__.__bases__[0].__subclasses__()",
    "f.__globals__",
    "__builtins__",
    "x = __loader__",
    "f = lambda: 0\nf.__code__ = 1",
    "'{0.__class__}'.format(1)",
    "'{x.__class__}'.format_map({'x': 1})",
    "str.format('{0.__class__}', 1)",
    "f'{().__class__}'",
    "f'{1:{().__class__}}'",
    "f'{open(1)}'",
    "(lambda: ().__class__)()",
    "def f(x=().__class__): return x",
    "def f(x: open('x')): return x",
    "def f() -> open('x'): return 1",
    "(o := open)('x')",
    "open = 1",
    "def eval(x): return x",
    "def f(getattr): return getattr(1, 'real')",
    "dict(__class__=1)",
    "g = (x for x in [])\ng.gi_frame.f_back",
    "def g():\n    yield 1",
    "async def g():\n    await g()",
    "try:\n    1 / 0\nexcept int as e:\n    e.__traceback__.tb_frame",
    "try:\n    1 / 0\nexcept:\n    pass",
    "raise SystemExit",
    "match 1:\n    case int(__class__=c):\n        c",
    "match 1:\n    case x:\n        x",
    "class A:\n    def __eq__(self, other):\n        return True",
    "class A:\n    pass",
    "type('A', (), {'__eq__': lambda a, b: True})",
    "@len\ndef f(): return 1",
    "with f as g: pass",
    "def f():\n    global x\n    x = 1",
    "del len",
    "x = 1\nx.y = 2",
    "for x.y in [1]: pass",
    "x = 1\nx.real",
    "[].sort.items",
    "breakpoint()",
    "input()",
    "print(1)",
    "exit()",
    "globals()",
    "vars()",
    "unknown(1)",
    "str.mro()",
    "int.from_bytes(b'a', 'big')",
    "\uff4fpen('x')",  # a full-width o: Python reads the name as open
    "[].so\uff52t",
    "-" * 20_000 + "1",  # too deep to be read here
    "x = ().__class__\ny = " + "1+" * 20_000 + "1",
]


@pytest.mark.parametrize("code", ALLOWED)
def test_programs_of_the_grammar_may_run(code):
    assert reason_to_refuse(code) is None


@pytest.mark.parametrize("code", ESCAPES)
def test_a_way_out_of_the_grammar_is_refused(code):
    assert reason_to_refuse(code)


def test_the_reason_is_one_line_that_names_what_was_found():
    assert "Import" in reason_to_refuse("import os")
    assert "open" in reason_to_refuse("open('x')")
    assert "\n" not in reason_to_refuse("getattr(1, 'real')")


@pytest.mark.parametrize("code", ["def f(:", "x = \0", "\ud800", "(" * 500])
def test_code_that_does_not_parse_is_not_refused_but_left_to_fail(code):
    assert reason_to_refuse(code) is None


def test_no_forbidden_name_is_known():
    assert not GRAMMAR_NAMES & FORBIDDEN_NAMES
    assert {"eval", "exec", "open", "getattr", "__import__"}.isdisjoint(GRAMMAR_NAMES)

"""The worked example a third time: lists of Python numbers, fractions while they last, no NumPy and no PyTorch.

Gradients are not derived here at all: a cell is moved by an imaginary epsilon and the loss's imaginary part, divided by
epsilon, is its derivative to the last bit (the complex-step method; Squire and Trapp 1998). What is written here
follows the page's equations and shares no code with the network.
"""

import cmath
from fractions import Fraction

from experiments.worked_example.example import DECODER_INPUT, SOURCE, TARGET, fractions

STEP = 1e-30
SMOOTHING, RATE, DECAY, EPSILON = 0.1, 0.01, 0.01, 1e-8
NORM_EPSILON = 1e-5


def times(a, b):
    """a b for lists of rows."""
    return [[sum(x * y for x, y in zip(row, column)) for column in zip(*b)] for row in a]


def transposed(a):
    return [list(column) for column in zip(*a)]


def plus(a, b):
    return [[x + y for x, y in zip(left, right)] for left, right in zip(a, b)]


def columns(a, first, last):
    return [row[first:last] for row in a]


def softmax(row):
    exponentials = [cmath.exp(complex(x)) for x in row]
    return [x / sum(exponentials) for x in exponentials]


def positions(length):
    """sin and cos of pos and of pos / 100, for 10000^(2/4) = 100."""
    return [[cmath.sin(t), cmath.cos(t), cmath.sin(t / 100), cmath.cos(t / 100)] for t in range(length)]


class Example:
    """One forward pass. `nudged` names one cell, (name, group, row, column), that is moved by an imaginary step."""

    def __init__(self, weights, nudged=None):
        self.nudged = nudged
        self.found = {}
        self.weights = {name: self.note(name, [row[:] for row in rows]) for name, rows in weights.items()}
        self.loss = self.run()

    def note(self, name, matrix, group=None):
        """Remember a matrix, moved if it is the one to be moved; groups are the heads."""
        if self.nudged is not None and self.nudged[:2] == (name, group):
            _, _, row, column = self.nudged
            matrix[row][column] = complex(matrix[row][column]) + STEP * 1j
        if group is None:
            self.found[name] = matrix
        else:
            self.found.setdefault(name, []).append(matrix)
        return matrix

    def attention(self, prefix, weights, x, y, causal):
        """Equations (4) and (5), two heads of width 2."""
        queries, keys, values = (
            times(source, transposed(self.weights[f"{weights}.{name}.weight"]))
            for source, name in ((x, "query"), (y, "key"), (y, "value"))
        )
        heads = []
        for head in range(2):
            parts = (columns(matrix, 2 * head, 2 * head + 2) for matrix in (queries, keys, values))
            q, k, v = (self.note(f"{prefix}.{name}", part, head) for name, part in zip("QKV", parts))
            scores = [[s / cmath.sqrt(2) for s in row] for row in times(q, transposed(k))]
            scores = self.note(f"{prefix}.S", scores, head)
            rows = []
            for t, row in enumerate(scores):
                seen = t + 1 if causal else len(row)
                rows.append([*softmax(row[:seen]), *[0] * (len(row) - seen)])
            attended = times(self.note(f"{prefix}.A", rows, head), v)
            heads.append(self.note(f"{prefix}.heads", attended, head))
        joined = [left + right for left, right in zip(*heads)]
        return times(joined, transposed(self.weights[f"{weights}.output.weight"]))

    def add_and_norm(self, prefix, weights, x, out):
        """LayerNorm(x + out) with its gain; the root and the normalised rows are noted."""
        total = self.note(f"{prefix}.sum", plus(x, self.note(f"{prefix}.out", out)))
        (gain,) = self.weights[f"{weights}_residual.norm.gain"]
        roots, normalised = [], []
        for row in total:
            mean = sum(row) / 4
            roots.append([cmath.sqrt(sum((value - mean) ** 2 for value in row) / 4 + NORM_EPSILON)])
            normalised.append([(value - mean) / roots[-1][0] for value in row])
        self.found[f"{prefix}.sigma"], self.found[f"{prefix}.x_hat"] = roots, normalised
        return [[g * value for g, value in zip(gain, row)] for row in normalised]

    def feed_forward(self, prefix, weights, x):
        u = self.note(f"{prefix}.u", times(x, transposed(self.weights[f"{weights}.inner.weight"])))
        hidden = [[value if complex(value).real > 0 else 0 for value in row] for row in u]
        return times(self.note(f"{prefix}.hidden", hidden), transposed(self.weights[f"{weights}.outer.weight"]))

    def embed(self, name, use, ids):
        """2 E[id] + position; sqrt(d_model) = 2."""
        table = self.note(use, [row[:] for row in self.weights["embedding.weight"]])
        return self.note(name, plus([[2 * value for value in table[index]] for index in ids], positions(len(ids))))

    def run(self):
        self.found["PE"] = positions(3)
        memory = self.embed("enc.x", "E source", SOURCE)
        memory = self.sublayer("enc.self", "encoder.0.self_attention", memory, memory)
        memory = self.note("H_enc", self.sublayer("enc.ff", "encoder.0.feed_forward", memory))
        x = self.embed("dec.x", "E input", DECODER_INPUT)
        x = self.sublayer("dec.self", "decoder.0.self_attention", x, x, causal=True)
        x = self.sublayer("dec.cross", "decoder.0.cross_attention", x, memory)
        x = self.note("H_dec", self.sublayer("dec.ff", "decoder.0.feed_forward", x))
        output = self.note("E output", [row[:] for row in self.weights["embedding.weight"]])
        logits = self.note("logits", times(x, transposed(output)))
        probs = [softmax(row) for row in logits]
        each = [-cmath.log(row[index]) for row, index in zip(probs, TARGET)]
        smoothed = [
            (1 - SMOOTHING) * loss - SMOOTHING * sum(cmath.log(p) for p in row) / len(row)
            for loss, row in zip(each, probs)
        ]
        self.found |= {"P": probs, "-log P": [[loss] for loss in each], "L": [[sum(each) / 2]],
                       "L smoothed": [[sum(smoothed) / 2]]}  # fmt: skip
        return self.found["L"][0][0]

    def sublayer(self, prefix, weights, x, y=None, causal=False):
        if y is None:
            out = self.feed_forward(prefix, weights, x)
        else:
            out = self.attention(prefix, weights, x, y, causal)
        return self.add_and_norm(prefix, weights, x, out)


def real(matrix):
    """Nested lists of real parts."""
    return [real(row) for row in matrix] if isinstance(matrix, list) else float(complex(matrix).real)


def values():
    """Every matrix of the forward pass by the page's names, and the first step of AdamW."""
    example = Example(fractions())
    return {name: real(matrix) for name, matrix in example.found.items()}


def gradient(name, loss="L"):
    """dL/d(name), cell by cell, of the shape of name's matrix."""
    shape = Example(fractions()).found[name]
    grouped = isinstance(shape[0][0], list)
    groups = shape if grouped else [shape]
    found = [
        [
            [
                Example(fractions(), (name, g if grouped else None, row, column)).found[loss][0][0].imag / STEP
                for column in range(len(group[0]))
            ]
            for row in range(len(group))
        ]
        for g, group in enumerate(groups)
    ]
    return found if grouped else found[0]


def after_one_step(name, gradient_of_name):
    """AdamW's first step: both running means, corrected, are the gradient and its square."""
    return [
        [float(w) * (1 - RATE * DECAY) - RATE * g / (abs(g) + EPSILON) for w, g in zip(row, slopes)]
        for row, slopes in zip(fractions()[name], gradient_of_name)
    ]


def loss_after_one_step():
    """Every weight moved by its own gradient; gains do not decay."""
    moved = {}
    for name, rows in fractions().items():
        slopes = gradient(name)
        if name.endswith("gain"):
            moved[name] = [[float(w) - RATE * g / (abs(g) + EPSILON) for w, g in zip(rows[0], slopes[0])]]
        else:
            moved[name] = after_one_step(name, slopes)
    return Example(moved).loss.real


def is_exact(name):
    """Whether every cell of this matrix is still a fraction."""
    return all(isinstance(value, (int, Fraction)) for row in Example(fractions()).found[name] for value in row)

"""The page's numbers against three sources: the NumPy reference, the PyTorch network, and a derivation by hand.

The third derivation is lists of Python numbers, fractions while they last, and shares no code with the network. It does
not derive gradients at all: a cell is moved by an imaginary step and the loss's imaginary part, divided by the step, is
its derivative to the last bit (the complex-step method, Squire and Trapp 1998).
"""

import cmath
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from model.config import preset
from model.fast import make_network
from system.options import run_and_report
from teaching.the_math.number_blocks import read
from teaching.worked_example.__main__ import main, matrices
from teaching.worked_example.example import DECODER_INPUT, SOURCE, TARGET, batch, config, fractions, weights
from teaching.worked_example.trace import short_name
from training.losses import sequence_loss

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "the_math.md").read_text(encoding="utf-8")
HALF_A_DIGIT = 0.5e-4 + 1e-9

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


def given():
    """Every weight as fractions, by the page's names."""
    return {short_name(name): rows for name, rows in fractions().items()}


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

    def attention(self, prefix, x, y, causal):
        """Equations (4) and (5), two heads of width 2."""
        queries, keys, values = (
            times(source, transposed(self.weights[f"{prefix}.W{name}"]))
            for source, name in ((x, "Q"), (y, "K"), (y, "V"))
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
        return times(joined, transposed(self.weights[f"{prefix}.WO"]))

    def add_and_norm(self, prefix, x, out):
        """LayerNorm(x + out) with its gain; the root and the normalised rows are noted."""
        total = self.note(f"{prefix}.sum", plus(x, self.note(f"{prefix}.out", out)))
        (gain,) = self.weights[f"{prefix}.gain"]
        roots, normalised = [], []
        for row in total:
            mean = sum(row) / 4
            roots.append([cmath.sqrt(sum((value - mean) ** 2 for value in row) / 4 + NORM_EPSILON)])
            normalised.append([(value - mean) / roots[-1][0] for value in row])
        self.found[f"{prefix}.sigma"], self.found[f"{prefix}.x_hat"] = roots, normalised
        return [[g * value for g, value in zip(gain, row)] for row in normalised]

    def feed_forward(self, prefix, x):
        u = self.note(f"{prefix}.u", times(x, transposed(self.weights[f"{prefix}.W1"])))
        hidden = [[value if complex(value).real > 0 else 0 for value in row] for row in u]
        return times(self.note(f"{prefix}.hidden", hidden), transposed(self.weights[f"{prefix}.W2"]))

    def embed(self, name, use, ids):
        """2 E[id] + position; sqrt(d_model) = 2."""
        table = self.note(use, [row[:] for row in self.weights["E"]])
        return self.note(name, plus([[2 * value for value in table[index]] for index in ids], positions(len(ids))))

    def run(self):
        self.found["PE"] = positions(3)
        memory = self.embed("enc.x", "E source", SOURCE)
        memory = self.sublayer("enc.self", memory, memory)
        memory = self.note("H_enc", self.sublayer("enc.ff", memory))
        x = self.embed("dec.x", "E input", DECODER_INPUT)
        x = self.sublayer("dec.self", x, x, causal=True)
        x = self.sublayer("dec.cross", x, memory)
        x = self.note("H_dec", self.sublayer("dec.ff", x))
        output = self.note("E output", [row[:] for row in self.weights["E"]])
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

    def sublayer(self, prefix, x, y=None, causal=False):
        if y is None:
            out = self.feed_forward(prefix, x)
        else:
            out = self.attention(prefix, x, y, causal)
        return self.add_and_norm(prefix, x, out)


def real(matrix):
    """Nested lists of real parts."""
    return [real(row) for row in matrix] if isinstance(matrix, list) else float(complex(matrix).real)


def gradient(name, loss="L"):
    """dL/d(name), cell by cell, of the shape of name's matrix."""
    shape = Example(given()).found[name]
    grouped = isinstance(shape[0][0], list)
    groups = shape if grouped else [shape]
    found = [
        [
            [
                Example(given(), (name, g if grouped else None, row, column)).found[loss][0][0].imag / STEP
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
        for row, slopes in zip(given()[name], gradient_of_name)
    ]


def loss_after_one_step():
    """Every weight moved by its own gradient; gains do not decay."""
    moved = {}
    for name, rows in given().items():
        slopes = gradient(name)
        if name.endswith("gain"):
            moved[name] = [[float(w) - RATE * g / (abs(g) + EPSILON) for w, g in zip(rows[0], slopes[0])]]
        else:
            moved[name] = after_one_step(name, slopes)
    return Example(moved).loss.real


USES = {"d_E source": "E source", "d_E input": "E input", "d_E output": "E output"}
NOT_OF_THE_EXAMPLE = {"costs", "no scale", "no mask", "no positions", "no residual", "no warm-up"}


def by_hand(name, loss="L"):
    """A matrix of the page by the third derivation."""
    if name == "E after one step":
        return after_one_step("E", gradient("E"))
    if name == "L after one step":
        return [[loss_after_one_step()]]
    if name == "d_logits smoothed":
        return gradient("logits", "L smoothed")
    if name.startswith("d_"):
        return gradient(USES.get(name, name[2:]))
    return real(Example(given()).found[name])


@pytest.fixture(scope="module")
def page():
    return {name: values for name, values in read(PAGE).items() if name not in NOT_OF_THE_EXAMPLE}


@pytest.fixture(scope="module")
def by_pytorch():
    """Values and gradients that hooks on the production modules saw, by the page's names."""
    network = preset("vaswani2017", **{**vars(config()), "speed": "readable"})
    model = make_network(network, pad_id=0).double()
    tied = weights() | {"output.weight": weights()["embedding.weight"]}
    model.load_state_dict({name: torch.from_numpy(value) for name, value in tied.items()})
    seen: dict[str, torch.Tensor] = {}

    def keep(name, tensor):
        tensor.retain_grad()
        seen[name] = tensor

    for stack, layers, sublayers in (
        ("enc", model.encoder, ("self_attention", "feed_forward")),
        ("dec", model.decoder, ("self_attention", "cross_attention", "feed_forward")),
    ):
        for sublayer in sublayers:
            prefix, module = f"{stack}.{short_name(sublayer)}", getattr(layers[0], sublayer)
            watch_sublayer(prefix, module, getattr(layers[0], f"{sublayer}_residual").norm, keep)
        layers[0].register_forward_pre_hook(lambda module, inputs, stack=stack: keep(f"{stack}.x", inputs[0]))
    source, source_mask, fed, told, told_mask = (torch.from_numpy(array) for array in batch())
    seen["H_enc"] = model.encode(source, source_mask)
    seen["H_dec"] = model.decode(fed, seen["H_enc"], source_mask)
    seen["logits"] = model.logits(seen["H_dec"])
    for name in ("H_enc", "H_dec", "logits"):
        seen[name].retain_grad()
    total, n_tokens = sequence_loss(seen["logits"][0], told[0])
    (total / n_tokens).backward()
    values = {name: tensor.detach().numpy()[0] for name, tensor in seen.items()}
    values |= {f"d_{name}": tensor.grad.numpy()[0] for name, tensor in seen.items()}
    of_weights = {f"d_{short_name(name)}": w.grad.numpy() for name, w in model.named_parameters()}
    return values | of_weights | {"L": np.array([[(total / n_tokens).item()]])}


def watch_sublayer(prefix, module, norm, keep):
    """Hooks on one sublayer: its steps, its output, and the sum that its norm is given."""
    names = {"queries": "Q", "keys": "K", "values": "V", "scores": "S", "weights": "A", "heads": "heads"}
    if hasattr(module, "see"):
        module.see.register_forward_hook(
            lambda _, inputs, output: keep(f"{prefix}.{names[inputs[0]]}", output) if inputs[0] in names else None
        )
        module.register_forward_hook(lambda _, inputs, output: keep(f"{prefix}.out", output[0]))
    else:
        module.inner.register_forward_hook(lambda _, inputs, output: keep(f"{prefix}.u", output))
        module.outer.register_forward_pre_hook(lambda _, inputs: keep(f"{prefix}.hidden", inputs[0]))
        module.register_forward_hook(lambda _, inputs, output: keep(f"{prefix}.out", output))
    norm.register_forward_pre_hook(lambda _, inputs: keep(f"{prefix}.sum", inputs[0]))


def test_the_page_shows_the_whole_example(page):
    weights_of_it = {short_name(name) for name in weights()}
    assert weights_of_it <= set(page) and {f"d_{name}" for name in weights_of_it} <= set(page)
    for sublayer in ("enc.self", "dec.self", "dec.cross"):
        for name in ("Q", "K", "V", "S", "A", "heads"):
            assert {f"{sublayer}.{name}", f"d_{sublayer}.{name}"} <= set(page)
    assert len(page) > 110


def test_every_number_of_the_page_is_the_numpy_references(page):
    known = matrices()
    for name, values in page.items():
        np.testing.assert_allclose(values, known[name].values, rtol=0, atol=HALF_A_DIGIT, err_msg=name)


def test_every_number_of_the_page_is_the_third_derivations(page):
    for name, values in page.items():
        truth = np.array(by_hand(name))
        np.testing.assert_allclose(values, truth, rtol=0, atol=HALF_A_DIGIT, err_msg=name)


def test_the_numbers_of_the_page_are_pytorchs(page, by_pytorch):
    compared = 0
    for name, values in page.items():
        if name in by_pytorch:
            truth = by_pytorch[name]
            np.testing.assert_allclose(values, truth.reshape(values.shape), rtol=0, atol=HALF_A_DIGIT, err_msg=name)
            compared += 1
    assert compared > 80


def test_the_first_products_are_exact_fractions():
    embedded = Example(given()).found["E"]
    assert all(type(2 * value).__name__ == "Fraction" for row in embedded for value in row)


def test_the_decimals_of_the_prose_stand_in_the_example(page):
    """Every number with four decimals between the blocks is one of the page's, or said here what it is."""
    prose = re.sub(r"```.*?```|<!-- pieces:begin -->.*?<!-- pieces:end -->", "", PAGE, flags=re.DOTALL)
    said = {abs(float(number)) for number in re.findall(r"(?<![\w.])[−-]?(\d+\.\d{4})(?!\d)", prose)}
    shown = {round(abs(float(x)), 4) for values in read(PAGE).values() for x in values.flatten()}
    other = {
        round(math.log(7), 4), round(math.log(16), 4),
        *(round(abs(x), 4) for x in torch.nn.functional.layer_norm(torch.eye(4)[0].double(), (4,)).tolist()),
        0.1760,  # the sum over A * dA that is worked out in the text
        0.0001,  # decay of a weight of 1: lr times decay
    }  # fmt: skip
    assert said - shown <= other and 0.1760 in said
    total = (page["dec.cross.A"][0, 0] * page["d_dec.cross.A"][0, 0]).sum()
    assert round(abs(total), 3) == 0.176


def test_one_matrix_is_printed_by_its_name_and_a_wrong_name_is_mended(capsys):
    assert main(["d_enc.self.K"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["d_enc.self.K", "head", "1", "|", "head", "2"] and lines[2].split()[0] == "x"
    assert run_and_report(main, ["d_enc.selfK"]) == 2
    assert "d_enc.self.K" in capsys.readouterr().err

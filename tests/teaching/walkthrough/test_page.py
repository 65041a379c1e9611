"""The page holds the tensors that hooks saw, whole where there is room, and nothing from anywhere else."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from model.config import preset
from model.fast import make_network, plain_modules
from teaching.walkthrough import page as page_module
from teaching.walkthrough.packing import unpack
from teaching.walkthrough.page import in_script, page_data, write_page
from teaching.walkthrough.story import Story, alternatives
from teaching.walkthrough.trace import trace


def data_of(page):
    """What stands in the page's data element, read as a browser would."""
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL).group(1))


def array_of(data, name, part):
    packed = data["arrays"][name][part]
    if "same" in packed:
        other, other_part = packed["same"].rsplit(" ", 1)
        packed = {**data["arrays"][other][other_part], "shape": packed["shape"]}
    return unpack(packed) if "data" in packed else None


def seen_by_hooks_of_the_test(story):
    """Tensors that this test's own hooks see in the same pass, by the names of the modules."""
    seen, model = {}, story.model

    def watch(name, module):
        def keep(_, inputs, output):
            own = f"{name}:{inputs[0]}" if inputs and isinstance(inputs[0], str) else name
            if torch.is_tensor(output):
                seen.setdefault(own, output.detach()[0])
                seen.setdefault(f"{own} in", inputs[0].detach()[0] if torch.is_tensor(inputs[0]) else None)
        return module.register_forward_hook(keep)

    handles = [watch(name, module) for name, module in model.named_modules()]
    mask = torch.arange(len(story.trace.source))[None] < story.trace.n_source
    with plain_modules(model):
        model(story.trace.source[None], mask, story.trace.decoder_input[None])
    for handle in handles:
        handle.remove()
    return seen


def place_of(name):
    """Name of an array -> where the test's own hooks saw it."""
    place, _, leaf = name.rpartition(".")
    if leaf in ("queries", "keys", "values", "scores", "weights", "heads"):
        return ("copy_head" if place == "copy" else place) + f".see:{leaf}"
    if ".feed_forward" in place:
        return {"output": f"{place}.outer", "hidden": f"{place}.outer in", "stream": f"{place}_residual"}.get(
            leaf, f"{place}.{leaf}")
    if "attention" in place:
        residual = f"{place}_residual"
        return {"output": f"{place}.output", "stream": residual, "sum": f"{residual}.norm in"}.get(leaf)
    return {"logits": "see:logits", "log_probs": "", "copy.states": "copy_head.query", "copy.gate": "copy_head.gate",
            "encoder.embedding": "embedding", "encoder.input": "embedding_dropout"}.get(name)


def test_every_array_of_the_page_is_the_tensor_that_a_hook_saw(story):
    page, left_out = write_page(story, 5)
    data, seen, compared = data_of(page), seen_by_hooks_of_the_test(story), 0
    assert not left_out
    for name in story.trace.activations:
        place = place_of(name)
        array = array_of(data, name, "value")
        if place is None or array is None or seen.get(place) is None:
            continue
        expected = seen[place].double().numpy()
        assert np.allclose(array, expected, rtol=2**-10, atol=2e-6 * max(1, np.abs(expected).max())), name
        compared += 1
    assert compared > 0.6 * len(story.trace.activations)


def test_values_and_gradients_of_the_page_are_those_of_the_trace(story):
    data = data_of(write_page(story, 5)[0])
    for name, activation in story.trace.activations.items():
        for part, tensor in (("value", activation.value), ("gradient", activation.gradient)):
            if tensor is None:
                assert part not in data["arrays"][name]
                continue
            array, limit = array_of(data, name, part), float(tensor.abs().max())
            if array is not None:
                assert np.allclose(array, tensor.double().numpy(), rtol=2**-10, atol=1e-7 * limit)
                continue
            packed = data["arrays"][name][part]  # computed by the page: it gets some cells to compare
            assert packed["derived"] and len(packed["samples"]) > 3
            assert all(float(tensor.flatten()[index]) == value for index, value in packed["samples"])


def quickstart_sized(n_source, n_target):
    """A story of a random network of the quick start's size, with so many pieces."""
    torch.manual_seed(0)
    config = preset("modern", vocab_size=1200, d_model=192, d_ff=512, copy_head=True, mlm_head=True)
    model = make_network(config, 0).eval()
    source, target = torch.randint(105, 1200, (n_source,)).tolist(), torch.randint(105, 1200, (n_target,)).tolist()
    seen = trace(model, source, 0, target, 3)
    pieces = [f"piece{i}" for i in range(1200)]
    return Story("large", model, seen, pieces, "a prompt", "code", None, True, False, True, alternatives(seen))


def test_32_and_48_pieces_are_shown_completely_in_less_than_5_megabytes():
    page, left_out = write_page(quickstart_sized(32, 48), 5)
    assert left_out == [] and len(page.encode()) < 5e6


def test_what_finds_no_room_is_named_and_attention_stays(tell):
    story = tell("modern, copy head")
    full = len(write_page(story, 5)[0])
    page, left_out = write_page(story, (full - 30_000) / 1e6)
    data = data_of(page)
    assert len(page) <= full - 30_000 and left_out == data["left_out"] != []
    for entry in left_out:
        name, part = entry.rsplit(" ", 1)
        assert data["arrays"][name][part]["left_out"]
    assert not any("weights value" in entry for entry in left_out)


def test_nothing_that_a_user_writes_can_end_the_data_or_run(tell):
    evil = "</script><script>alert(1)</script><!--"
    page, _ = write_page(tell("modern", prompt=evil), 5)
    assert data_of(page)["prompt"] == evil
    assert page.count("<script") == 2 and page.count("</script>") == 2
    assert "<" not in in_script({"prompt": evil})


def test_the_page_asks_for_nothing_from_anywhere(tell):
    page, _ = write_page(tell("modern"), 5)
    shell = page.replace("http://www.w3.org/2000/svg", "")  # the name of SVG's namespace, no address that is read
    assert not re.search(r"https?://|<link|<iframe|\bfetch\(|XMLHttpRequest|\bimport\(|@import|url\(['\"]?\w+:", shell)
    assert "default-src 'none'" in page


def test_equal_arrays_stand_once(tell):
    # A sum hands its gradient on as it is: to the sublayer's output.
    data, _ = page_data(tell("modern"), 5)
    place = "encoder.0.self_attention"
    parts = [data["arrays"][f"{place}.{leaf}"]["gradient"] for leaf in ("output", "stream")]
    assert [("data" in part) for part in parts].count(True) == 1 and any("same" in part for part in parts)


@pytest.mark.parametrize("variant", ["modern, copy head", "t5"])
def test_excerpts_are_columns_of_the_networks_own_matrices(tell, variant):
    story = tell(variant)
    steps = {step["name"]: step for step in page_data(story, 5)[0]["operations"]}
    weight = story.model.decoder[1].cross_attention.key.weight.detach()
    excerpt = steps["decoder.1.cross_attention.keys"]["excerpts"]
    assert np.allclose(unpack(excerpt["W"]), weight[excerpt["columns"]].numpy(), rtol=2**-10, atol=1e-6)
    assert np.allclose(unpack(excerpt["W_back"]), weight[:, excerpt["back"]].T.numpy(), rtol=2**-10, atol=1e-6)


def test_the_page_reads_no_fact_that_it_is_not_given(tell):
    scripts = Path(page_module.__file__).with_suffix("").glob("*.js")
    read = {name for path in scripts for name in re.findall(r"\bdata\.(\w+)", path.read_text(encoding="utf-8"))}
    data, _ = page_data(tell("modern"), 5)
    assert "generated" in read and read <= set(data)

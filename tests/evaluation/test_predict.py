"""From descriptions to code with a small random model: order, truncation, draws."""

import pytest

from data.config import DataConfig
from data.tokenizers.tokenizer import source_ids, train_tokenizer
from evaluation.config import EvaluationConfig
from evaluation.predict import predict, sample_programs
from model.config import preset
from model.decoding import Sampling
from model.fast import make_network

DATA = DataConfig(max_source_length=64)
TEXTS = ["return the sum of xs", "return x", "sort the words of the list by their length and reverse them"]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS * 3, 400)


@pytest.fixture(scope="module")
def model(tokenizer):
    config = preset("modern", vocab_size=tokenizer.vocab_size, d_model=16, n_heads=2, d_ff=16, copy_head=True)
    return make_network(config, tokenizer.pad_id).eval()


def test_outputs_stand_in_the_order_of_the_descriptions(model, tokenizer):
    config = EvaluationConfig(max_new_tokens=8, batch_examples=2)
    together, _ = predict(model, tokenizer, TEXTS, config, DATA)
    alone = [predict(model, tokenizer, [text], config, DATA)[0][0] for text in TEXTS]
    assert together == alone


def test_a_long_description_is_cut_and_counted(model, tokenizer):
    ids = source_ids(TEXTS[2], tokenizer, 5)
    assert len(ids) == 5 and ids[-1] == tokenizer.end_id
    config = EvaluationConfig(max_new_tokens=2)
    assert predict(model, tokenizer, TEXTS, config, DataConfig(max_source_length=5))[1] == 2
    exact = len(tokenizer.encode(TEXTS[0])) + 1
    assert predict(model, tokenizer, TEXTS[:1], config, DataConfig(max_source_length=exact))[1] == 0


def test_beam_search_gives_one_output_a_description(model, tokenizer):
    assert len(predict(model, tokenizer, TEXTS, EvaluationConfig(beam=3, max_new_tokens=4), DATA)[0]) == 3


def test_draws_depend_on_the_seed_alone(model, tokenizer):
    config, sampling = EvaluationConfig(max_new_tokens=12), Sampling(temperature=1.0)
    first = sample_programs(model, tokenizer, TEXTS[0], 4, sampling, 1, config, DATA)
    assert first == sample_programs(model, tokenizer, TEXTS[0], 4, sampling, 1, config, DATA)
    assert len(set(first)) > 1
    assert first != sample_programs(model, tokenizer, TEXTS[0], 4, sampling, 2, config, DATA)

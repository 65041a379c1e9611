"""Settings of all tests, a cache of their own, and tiny checkpoints of other people's families made on disk."""

import io
import json
import os

import pytest
from hypothesis import settings

# Before torch is loaded, here and in the processes that tests start: two workers with two threads each would wait for
# each other on two cores, and the tensors of tests are too small to gain by a second thread.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# No deadline: a test's verdict must not depend on how busy the machine is. One fixed seed: nor on the day.
settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")

STRINGS = [
    "return the sum of the even numbers in xs", "def solve(xs):\n    return sum(x for x in xs if x % 2 == 0)\n",
    "  two  blanks, a tab\tand 'quotes' \"double\"", "if self . name is None : raise ValueError ( 'no <name> here' )",
    "é ü 漢字 → ∀", "", "a", "call the function join_path with x and y as arguments, and 3.14",
    "x_1 += 2 ** 10  # comment !", "for i , j in enumerate ( values ) : print ( i )",
]  # fmt: skip
CORPUS = [*STRINGS * 3, *["for x in range(10): print(x)", "import os, sys", "the quick brown fox"] * 5]
SENTINELS = [f"<extra_id_{i}>" for i in range(100)]
BART_SIZES = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 2, "encoder_attention_heads": 2,
              "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32,
              "max_position_embeddings": 128}  # fmt: skip
T5_SIZES = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_decoder_layers": 1, "num_heads": 2}


def sentencepiece_model(vocab_size, **settings):
    import sentencepiece

    model, lines = io.BytesIO(), (text.replace("\n", " ") for text in CORPUS if text)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=lines, model_writer=model, vocab_size=vocab_size, hard_vocab_limit=False, minloglevel=2,
        **settings,
    )  # fmt: skip
    return model.getvalue()


def pieces_of(model):
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    return [(processor.id_to_piece(i), processor.get_score(i)) for i in range(processor.vocab_size())]


def write(folder, name, values):
    (folder / name).write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")


def byte_level_files(folder, special):
    import tokenizers

    bpe = tokenizers.ByteLevelBPETokenizer()
    bpe.train_from_iterator(CORPUS, vocab_size=340, min_frequency=2, special_tokens=special, show_progress=False)
    bpe.save_model(str(folder))
    return bpe.get_vocab_size()


def codet5(folder):
    """The files of codet5-small: RoBERTa's pieces, T5's sentinels behind them, no tokenizer.json."""
    n = byte_level_files(folder, ["<pad>", "<s>", "</s>", "<unk>", "<mask>"])
    write(folder, "added_tokens.json", {name: n + 99 - i for i, name in enumerate(SENTINELS)})
    special = {"bos_token": {"content": "<s>"}, "eos_token": "</s>", "additional_special_tokens": SENTINELS}
    write(folder, "special_tokens_map.json", special)
    write(folder, "tokenizer_config.json", {"tokenizer_class": "RobertaTokenizer", **special})
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 0}
    return "T5", {**T5_SIZES, **ids, "vocab_size": n + 100}


def t5(folder):
    """T5 v1.1: the older spiece.model and the newer tokenizer.json, and a vocabulary that is rounded up."""
    import transformers

    model = sentencepiece_model(220, pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    (folder / "spiece.model").write_bytes(model)
    pieces = pieces_of(model)
    pieces += [(name, 0.0) for name in reversed(SENTINELS)]
    transformers.T5Tokenizer(vocab=pieces).save_pretrained(folder)
    ids = {"pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0, "vocab_size": len(pieces) + 28}
    return "T5", {**T5_SIZES, **ids, "d_kv": 6, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}


def bart(folder):
    n = byte_level_files(folder, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    return "Bart", {**BART_SIZES, "vocab_size": n}


def plbart(folder, **languages):
    (folder / "sentencepiece.bpe.model").write_bytes(sentencepiece_model(260, model_type="bpe"))
    write(folder, "tokenizer_config.json", {"tokenizer_class": "PLBartTokenizer", **languages})
    n = len(pieces_of((folder / "sentencepiece.bpe.model").read_bytes()))
    return "PLBart", {**BART_SIZES, "vocab_size": n + 1 + 3 + 1}


def plbart_with_languages(folder):
    return plbart(folder, src_lang="__en_XX__", tgt_lang="__python__", language_codes="base")


def marian(folder):
    """A model for each side, one list of pieces from which one is missing, padding that is never written."""
    sides = {"source": sentencepiece_model(180), "target": sentencepiece_model(220, model_type="bpe")}
    for name, model in sides.items():
        (folder / f"{name}.spm").write_bytes(model)
    pieces = {piece for model in sides.values() for piece, _ in pieces_of(model)} - {"<s>", "</s>", "<unk>"}
    listed = ["</s>", "<unk>", *sorted(pieces)[:-1], "<pad>"]
    write(folder, "vocab.json", {piece: i for i, piece in enumerate(listed)})
    write(folder, "tokenizer_config.json", {"tokenizer_class": "MarianTokenizer", "source_lang": "en"})
    pad = len(listed) - 1
    ids = {"vocab_size": pad + 1, "pad_token_id": pad, "decoder_start_token_id": pad, "eos_token_id": 0}
    return "Marian", {**BART_SIZES, **ids, "activation_function": "swish", "scale_embedding": True}


CHECKPOINTS = {"codet5": codet5, "t5": t5, "bart": bart, "plbart": plbart,
               "plbart with languages": plbart_with_languages, "marian": marian}  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory):
    """The user's cache and state are neither read nor filled, by no process that a test starts either."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def strings():
    """Ten strings of description and code, the empty one and other scripts among them."""
    return STRINGS


@pytest.fixture(scope="session", params=CHECKPOINTS)
def checkpoint(request, make_checkpoint):
    """A tiny checkpoint of each family with its own tokenizer."""
    return make_checkpoint(request.param)


@pytest.fixture(scope="session")
def make_checkpoint(tmp_path_factory):
    """make_checkpoint(kind) -> its folder, made once: random weights that are moved away from their tidy start."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    import torch

    made = {}

    def make(kind):
        if kind in made:
            return made[kind]
        folder = made[kind] = tmp_path_factory.mktemp("checkpoint") / kind
        folder.mkdir()
        family, sizes = CHECKPOINTS[kind](folder)
        config = getattr(transformers, f"{family}Config")(**sizes)
        name = "MarianMTModel" if kind == "marian" else f"{family}ForConditionalGeneration"
        torch.manual_seed(1)
        model = getattr(transformers, name)(config)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter += 0.25 * torch.randn_like(parameter)
            if kind == "codet5":
                model.shared.weight *= 0.2  # else a tied T5 repeats its start token for ever
            if kind == "t5":
                model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.shared.weight))
            if kind == "marian":
                model.final_logits_bias.normal_()
                model.final_logits_bias[0, config.pad_token_id] = 9.0  # what bad_words_ids is for
                model.generation_config.bad_words_ids = [[config.pad_token_id]]
        model.save_pretrained(folder)
        if kind == "codet5":  # an older file
            tensors = model.state_dict()
            (folder / "model.safetensors").unlink()
            torch.save(tensors, folder / "pytorch_model.bin")
        return folder

    return make


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder in the place of the user's; it does not exist yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"

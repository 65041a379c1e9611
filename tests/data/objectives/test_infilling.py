"""Text infilling: one mask a span, empty spans among them, and the whole text as target (Lewis et al. 2020)."""

from collections import Counter

from data.example import Example
from data.objectives import example_generator
from data.objectives.infilling import poisson_spans, text_infilling


def item_of(example, tokenizer, epoch=0, **settings):
    return text_infilling(example, tokenizer, example_generator(0, epoch, example.id), **settings)


def parts_between_masks(item, tokenizer):
    parts = [[]]
    for token in item.source[:-1]:
        if token == tokenizer.mask_id:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def test_the_target_is_the_whole_text_and_the_source_its_parts_in_order(tokenizer, long_examples, short_examples):
    for example in [*long_examples[:50], *short_examples]:
        item = item_of(example, tokenizer)
        text = example.code if example.nl is None else example.nl
        assert item.target == [*tokenizer.encode(text), tokenizer.end_id]
        assert item.source[-1] == tokenizer.end_id and tokenizer.mask_id in item.source
        rest = iter(item.target)
        assert all(token in rest for part in parts_between_masks(item, tokenizer) for token in part)  # a subsequence


def test_the_rate_and_the_mean_span_are_the_settings(long_examples, tokenizer):
    for rate, mean in ((0.3, 3.0), (0.15, 3.0), (0.3, 5.0)):
        covered = spans = total = 0
        for example in long_examples:
            length = len(tokenizer.encode(example.code))
            found = poisson_spans(length, rate, mean, example_generator(0, 0, example.id))
            covered += sum(end - start for start, end in found)
            spans += len(found)
            total += length
        assert abs(covered / total - rate) < 0.01
        assert abs(covered / spans - mean) < 0.05


def test_items_have_the_rate_and_the_mean_span_that_were_asked_for(long_examples, tokenizer):
    hidden = masks = total = 0
    for example in long_examples:
        item = item_of(example, tokenizer, infilling_rate=0.2, mean_span=4.0)
        of_item = item.source.count(tokenizer.mask_id)
        masks += of_item
        hidden += len(item.target) - len(item.source) + of_item
        total += len(item.target) - 1
    assert total > 100_000 and abs(hidden / total - 0.2) < 0.01 and abs(hidden / masks - 4.0) < 0.05


def test_lengths_are_poissons(long_examples):
    lengths = Counter()
    for example in long_examples:
        spans = poisson_spans(1000, 0.3, 3.0, example_generator(0, 0, example.id))
        lengths.update(end - start for start, end in spans)
    total = sum(lengths.values())
    poisson = {0: 0.0498, 1: 0.1494, 2: 0.2240, 3: 0.2240, 4: 0.1680, 5: 0.1008, 6: 0.0504}
    assert all(abs(lengths[length] / total - share) < 0.01 for length, share in poisson.items())


def test_spans_are_disjoint_in_order_and_at_places_of_their_own():
    for number in range(300):
        length = number % 40
        spans = poisson_spans(length, 0.5, 2.0, example_generator(1, 0, str(number)))
        assert all(0 <= start <= end <= length for start, end in spans)
        assert all(one[1] < two[0] for one, two in zip(spans, spans[1:], strict=False))
        assert sum(end - start for start, end in spans) >= min(1, length)


def test_another_epoch_hides_another_part(tokenizer):
    example = Example("x", None, "alpha beta gamma delta load save open_file read_line count total")
    assert item_of(example, tokenizer) == item_of(example, tokenizer)
    assert len({tuple(item_of(example, tokenizer, epoch).source) for epoch in range(5)}) > 1


def test_an_empty_text_has_nothing_to_hide(tokenizer):
    item = item_of(Example("x", None, ""), tokenizer)
    assert item.source == item.target == [tokenizer.end_id]

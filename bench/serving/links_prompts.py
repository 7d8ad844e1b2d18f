# SPDX-License-Identifier: Apache-2.0
"""Prompts as tokens: passages of the data sets in an order of their own, cut to a length.

Every prompt begins with a number of its own, so that none shares a prefix with another, but where that
is wanted.
"""

import json
import pathlib
import random

from links_plan import Wrong

SHARED_TEXTS = 2  # of a block's prompts with shared prefixes
TAIL_TOKENS = 150  # of each of those: its own
QUESTION = "\n\nQuestion: What do these passages have in common?\nAnswer:"


def squad(path):
    data = json.loads(path.read_text())["data"]
    return [paragraph["context"] for article in data for paragraph in article["paragraphs"]]


def hotpot(path):
    return ["".join(sentences) for item in json.loads(path.read_text())
            for sentences in item["context"]["sentences"]]


def triviaqa(path):
    return [text for line in path.read_text().splitlines()
            for text in json.loads(line)["context"].split("\n")]


def passages(folder):
    """Of what is there of the official files or their parts."""
    folder = pathlib.Path(folder)
    texts = []
    for pattern, read in (("squad*.json", squad), ("hotpot*.json", hotpot),
                          ("triviaqa*.jsonl", triviaqa)):
        for path in sorted(folder.glob(pattern)):
            try:
                texts += [text.strip() for text in read(path)]
            except (ValueError, KeyError, TypeError) as error:
                raise Wrong(f"{path} is not in the format of the official file: {error!r}.")
    texts = [text for text in texts if len(text) > 40]
    if len(texts) < 50:
        raise Wrong(f"There are too few passages in {folder}: it wants files squad*.json, "
                    f"hotpot*.json or triviaqa*.jsonl, as in configs/tasks.")
    return random.Random(1).sample(texts, min(len(texts), 400))


class Prompts:
    """`tokenize`: a list of texts to a list of lists of tokens."""

    def __init__(self, texts, tokenize):
        self.tokenize = tokenize
        *self.passages, self.question = tokenize([text + "\n\n" for text in texts] + [QUESTION])

    def block(self, name, lengths, has_prefixes=False):
        """Prompts of these lengths, the same for the same name."""
        draw = random.Random(name)
        texts = len(lengths) * 2 + SHARED_TEXTS
        heads = self.tokenize([f"Case {draw.randrange(10**12)}. " for _ in range(texts)])
        heads = iter(heads)
        if not has_prefixes:
            return [self.text(next(heads), length, draw) for length in lengths]
        shared = [self.text(next(heads), max(lengths), draw) for _ in range(SHARED_TEXTS)]
        prompts = []
        for number, length in enumerate(lengths):
            start = shared[number % SHARED_TEXTS][:max(length - TAIL_TOKENS, 0)]
            prompts.append(start + self.text(next(heads), length - len(start), draw))
        return prompts

    def text(self, head, length, draw):
        tokens = list(head)
        while len(tokens) + len(self.question) < length:
            tokens += draw.choice(self.passages)
        return tokens[:max(length - len(self.question), 1)] + self.question


def lengths_of(count, shortest, longest, turn):
    """Spread evenly, in an order of the turn's own; the same for all methods."""
    step = (longest - shortest) / max(count - 1, 1)
    lengths = [round(shortest + step * number) for number in range(count)]
    random.Random(turn).shuffle(lengths)
    return lengths

# SPDX-License-Identifier: Apache-2.0
"""Compares our tokenizer with the `tokenizers` package, id by id.

usage: tokenizer_parity.py TOKENIZE_TOOL MODEL.gguf WORK_FOLDER

Vocabularies: the model's own, and the SentencePiece ones in the package mistral-common. Each is
read from GGUF and from tokenizer.json, and the model's vocabulary also with the pre-tokenizers of
the other families. Exit status 77: a package or the model is missing, so nothing was compared.
"""

import pathlib
import struct
import subprocess
import sys

try:
    import gguf
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

from parity_strings import make_strings

CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
DIGIT, GPT2 = pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)


def llama3(numbers):
    return (CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|" + numbers +
            r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def cased(ending, numbers):
    return (rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{ending}|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{ending}|"
            + numbers + r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def splits(*patterns, last=None):
    steps = [pre_tokenizers.Split(Regex(p), "isolated") if isinstance(p, str) else p for p in patterns]
    return pre_tokenizers.Sequence(
        steps + [last or pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


HAN = "[一-龥ࠀ-一가-퟿]+"
# tokenizer.ggml.pre -> pre-tokenizer, normalizer, ignore_merges: as the families' files have them.
FAMILIES = {
    "smollm": (splits(DIGIT, last=GPT2), None, False),
    "gpt-2": (GPT2, None, False),
    "command-r": (splits(DIGIT, last=GPT2), normalizers.NFC(), False),
    "llama-bpe": (splits(llama3(r"\p{N}{1,3}")), None, True),
    "qwen2": (splits(llama3(r"\p{N}")), normalizers.NFC(), False),
    "tekken": (splits(cased("", r"\p{N}")), None, True),
    "gpt-4o": (splits(cased(CONTRACTIONS + "?", r"\p{N}{1,3}")), None, False),
    "deepseek-coder": (splits("[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", HAN, DIGIT), None, False),
    "deepseek-v3": (splits(
        r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
        r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"
        r" ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"), None, False),
}


class Comparison:
    """Encodes the strings with the tool and with a reference, and counts what differs."""

    def __init__(self, tool, folder):
        self.tool, self.folder, self.failures = tool, folder, 0
        self.strings = make_strings()
        encoded = [s.encode() for s in self.strings]
        (folder / "cases.bin").write_bytes(b"".join(struct.pack("<I", len(e)) + e for e in encoded))

    def ours(self, model, parse_special):
        result = self.folder / "result.bin"
        run = subprocess.run(
            [self.tool, model, self.folder / "cases.bin", result, "special" if parse_special else "plain"],
            capture_output=True, text=True, check=False)
        if run.returncode != 0:
            sys.exit(f"{model}: {run.stderr.strip()}")
        self.speed = run.stdout.strip()
        data, at = result.read_bytes(), 0
        for _ in self.strings:
            (count,) = struct.unpack_from("<I", data, at)
            ids = list(struct.unpack_from(f"<{count}i", data, at + 4))
            at += 4 + 4 * count
            (size,) = struct.unpack_from("<I", data, at)
            text = data[at + 4:at + 4 + size]
            at += 4 + size
            yield ids, text

    def compare(self, models, reference, parse_special=True):
        """`models`: what to print -> the file that should give the reference's ids."""
        reference.encode_special_tokens = not parse_special
        expected = [e.ids for e in reference.encode_batch(self.strings, add_special_tokens=False)]
        decoded = [t.encode() for t in reference.decode_batch(expected, skip_special_tokens=True)]
        for name, model in models.items():
            bad = 0
            for text, want, want_text, (ids, raw) in zip(
                    self.strings, expected, decoded, self.ours(model, parse_special)):
                if ids != want:
                    problem = f"ids {ids} instead of {want}"
                elif b"\xef\xbf\xbd" not in want_text and raw != want_text:
                    problem = f"text {raw!r} instead of {want_text!r}"
                else:
                    continue
                bad += 1
                if bad <= 3:
                    print(f"  {text!r}: {problem}")
            self.failures += bad
            kind = "" if parse_special else ", special tokens as text"
            print(f"{name}{kind}: {len(self.strings) - bad} of {len(self.strings)} strings agree, {self.speed}")


def write_gguf(path, kind, pre, pieces, types, scores=None, merges=None):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model(kind)
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(pieces)
    writer.add_token_types(types)
    if scores is not None:
        writer.add_token_scores(scores)
        writer.add_unk_token_id(0)
    if merges is not None:
        writer.add_token_merges(merges)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def compare_byte_level(comparison, model):
    fields = gguf.GGUFReader(model).fields
    pieces, types, merges, pre = (fields["tokenizer.ggml." + key].contents()
                                  for key in ("tokens", "token_type", "merges", "pre"))
    special = [AddedToken(p, special=True, normalized=False) for p, t in zip(pieces, types) if t == 3]
    for family, (pre_tokenizer, normalizer, ignore_merges) in FAMILIES.items():
        reference = Tokenizer(models.BPE({p: i for i, p in enumerate(pieces)},
                                         [tuple(m.split(" ")) for m in merges], ignore_merges=ignore_merges))
        reference.pre_tokenizer = pre_tokenizer
        reference.decoder = decoders.ByteLevel()
        if normalizer is not None:
            reference.normalizer = normalizer
        reference.add_special_tokens(special)
        path = comparison.folder / family / "tokenizer.json"
        path.parent.mkdir(exist_ok=True)
        reference.save(str(path))
        files = {f"{family}, tokenizer.json": path}
        if family == pre:
            files[f"{family}, the model's GGUF"] = model
            comparison.compare(files, reference, parse_special=False)
        else:
            files[f"{family}, GGUF"] = comparison.folder / f"{family}.gguf"
            write_gguf(files[f"{family}, GGUF"], "gpt2", family, pieces, types, merges=merges)
        comparison.compare(files, reference)


def merges_of(pieces, scores, usable):
    """The merge list of a SentencePiece BPE vocabulary: the best first, the longer left side among equals."""
    ids = {p: i for i, p in enumerate(pieces) if usable[i]}
    merges = []
    for piece, i in ids.items():
        for at in range(1, len(piece)):
            left, right = ids.get(piece[:at]), ids.get(piece[at:])
            if left is not None and right is not None:
                merges.append((-scores[i], -at, at - len(piece), piece[:at], piece[at:]))
    return [(left, right) for *_, left, right in sorted(merges, key=lambda m: m[:3])]


def compare_sentence_piece(comparison, path):
    import sentencepiece
    model = sentencepiece.SentencePieceProcessor(model_file=str(path))
    count = range(model.get_piece_size())
    pieces, scores = [model.id_to_piece(i) for i in count], [model.get_score(i) for i in count]
    types = [2 if model.is_unknown(i) else 3 if model.is_control(i) else 6 if model.is_byte(i) else 1
             for i in count]
    merges = merges_of(pieces, scores, [t == 1 for t in types])
    special = [AddedToken(p, special=True, normalized=False) for p, t in zip(pieces, types) if t in (2, 3)]
    for style in ("legacy", "first", "never"):
        reference = Tokenizer(models.BPE({p: i for i, p in enumerate(pieces)}, merges, unk_token="<unk>",
                                         fuse_unk=True, byte_fallback=True))
        if style == "legacy":
            reference.normalizer = normalizers.Sequence(
                [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
        else:
            reference.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=style, split=False)
        end = [decoders.Strip(" ", 1, 0)] if style != "never" else []
        reference.decoder = decoders.Sequence(
            [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()] + end)
        reference.add_special_tokens(special)
        name = f"{path.name}, {style}"
        json_path = comparison.folder / (path.name + "-" + style) / "tokenizer.json"
        json_path.parent.mkdir(exist_ok=True)
        reference.save(str(json_path))
        files = {f"{name}, tokenizer.json": json_path}
        if style == "legacy":
            files[f"{name}, GGUF"] = comparison.folder / (path.name + ".gguf")
            write_gguf(files[f"{name}, GGUF"], "llama", "default", pieces, types, scores=scores)
            comparison.compare(files, reference, parse_special=False)
        comparison.compare(files, reference)


def main():
    tool, model, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    if not pathlib.Path(model).is_file():
        print("skipped: no default model")
        sys.exit(77)
    folder.mkdir(parents=True, exist_ok=True)
    comparison = Comparison(tool, folder)
    compare_byte_level(comparison, model)
    try:
        import mistral_common
        import sentencepiece  # noqa: F401
    except ImportError as error:
        print(f"no SentencePiece vocabulary compared: {error}")
    else:
        data = pathlib.Path(mistral_common.__file__).parent / "data"
        for name in ("tokenizer.model.v1", "mistral_instruct_tokenizer_240323.model.v3"):
            compare_sentence_piece(comparison, data / name)
    sys.exit(1 if comparison.failures else 0)


main()

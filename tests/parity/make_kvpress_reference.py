# SPDX-License-Identifier: Apache-2.0
"""What NVIDIA's kvpress keeps of the default model's cache, for kvpress_test.cpp.

usage: make_kvpress_reference.py MODEL.gguf REFERENCE.bin [--check]

Computes in FP32 with Hugging Face transformers, scores with kvpress's presses and lets them cut.
With --check the file is not written but compared: 1 where it says something else. Needs torch, gguf,
and kvpress 0.5.5 with transformers 5.2; 77 where they or the model are missing.

Little-endian. u32 magic 'SLKV', version 1, prompts, KV heads, budgets; f32 budgets. Per prompt:
u32 tokens, i32 ids; u32 tokens of the question at its end; u32 methods, and of each
  u32 size, its name; u32 layers, heads that have sets of their own (1: one for all)
  u32 first and last token (exclusive) whose score counts: others are kept whatever they score
  f32 mean and deviation of those scores, [layers][heads][2]
  per budget the kept tokens, [layers][heads][ceil(tokens / 8)] bytes, the lowest bit first.
"""
import copy
import os
import pathlib
import struct
import sys

try:
    os.environ["HF_HUB_OFFLINE"] = "1"
    import kvpress
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

BUDGETS = (0.25, 0.5)
WINDOW, SINKS = 64, 4
# Length of the prompt, and the question that ends it: about the passages of launch/calibration.txt
# in order.
PROMPTS = [
    (268, "\n\nQuestion: Where does the river leave the basin?\nAnswer:"),
    (381, "\n\nQuestion: What does the passage say about the oldest of them, and why?\nAnswer:"),
    (700, "\n\nQuestion: Name the reasons that are given, in the order in which they appear.\nAnswer:"),
]


def prompts_of(tokenizer):
    text = (pathlib.Path(__file__).parent / "../../launch/calibration.txt").read_text()
    passages = [passage.strip() for passage in text.split("=== passage") if passage.strip()]
    for i, (length, question) in enumerate(PROMPTS):
        asked = tokenizer(question, add_special_tokens=False).input_ids
        told = tokenizer("\n\n".join(passages[i:i + 2]), add_special_tokens=False).input_ids
        assert len(told) + len(asked) >= length, "the passages are long enough"
        yield told[:length - len(asked)] + asked, len(asked)


class Method:
    """A press, and which tokens it scores: those outside of [first, -last) are always kept."""

    def __init__(self, name, press, first=0, last=0, heads=None, layers=None):
        self.name, self.press, self.first, self.last = name, press, first, last
        self.heads, self.layers, self.summaries = heads, layers, []
        self.kept = {budget: [] for budget in BUDGETS}

    def observe(self, module, arguments):
        """Scores one layer, and lets the press cut a cache whose keys are their own positions."""
        if self.layers is not None and module.layer_idx >= self.layers:
            return
        cutter = copy.copy(self.press)
        if isinstance(cutter, kvpress.AdaKVPress):
            scorer = cutter.press = copy.copy(cutter.press)
        else:
            scorer = cutter
        hidden, keys, values, attentions, kwargs = arguments
        scores = {}
        for budget in BUDGETS:  # StreamingLLM's scores know of the budget
            cutter.compression_ratio = 1 - budget
            scores[budget] = type(scorer).score(scorer, module, *arguments)
        tokens = keys.shape[2]
        heads = self.heads or keys.shape[1]
        free = scores[BUDGETS[0]][0, :heads, self.first:tokens - self.last].double()
        self.summaries.append(torch.stack([free.mean(-1), free.std(-1, correction=0)], -1))
        positions = torch.arange(tokens).view(1, 1, -1, 1).expand_as(keys)
        for budget in BUDGETS:
            cutter.compression_ratio = 1 - budget
            scorer.score = lambda *_, found=scores[budget]: found.clone()
            module.masked_key_indices = None
            left, _ = cutter.compress(module, hidden, positions, values, attentions, kwargs)
            kept = torch.zeros(keys.shape[1], tokens, dtype=torch.bool)
            if isinstance(cutter, kvpress.AdaKVPress):
                kept[:] = True
                kept[module.masked_key_indices[1:]] = False
            else:
                kept.scatter_(1, left[0, :, :, 0], True)
            assert bool((kept[:heads] == kept[:1] if heads == 1 else kept == kept).all())
            self.kept[budget].append(kept[:heads])
        module.masked_key_indices = None

    def write(self):
        heads = self.kept[BUDGETS[0]][0].shape[0]
        layers, tokens = len(self.summaries), self.kept[BUDGETS[0]][0].shape[1]
        data = struct.pack(f"<I{len(self.name)}s4I", len(self.name), self.name.encode(), layers, heads,
                           self.first, tokens - self.last)
        data += torch.stack(self.summaries).numpy().astype("<f4").tobytes()
        for budget in BUDGETS:
            kept = torch.stack(self.kept[budget])
            padded = torch.nn.functional.pad(kept, (0, -tokens % 8)).view(layers, heads, -1, 8)
            data += (padded * (1 << torch.arange(8))).sum(-1).numpy().astype("u1").tobytes()
        return data


def methods_of(question):
    """By the name that kvpress_test.cpp knows them by."""
    snapkv = kvpress.SnapKVPress(window_size=WINDOW, kernel_size=5)
    return [
        Method("snapkv", snapkv, last=WINDOW),
        # What the question attends to: FINCH's score without its normalization, too.
        Method("q2c", kvpress.SnapKVPress(window_size=question, kernel_size=1), last=question),
        Method("h2o", kvpress.ObservedAttentionPress()),
        Method("expected_attention", kvpress.ExpectedAttentionPress(n_sink=SINKS), first=SINKS),
        Method("knorm", kvpress.KnormPress()),
        Method("keydiff", kvpress.KeyDiffPress()),
        Method("tova", kvpress.TOVAPress(), last=1, heads=1),
        Method("streaming", kvpress.StreamingLLMPress(n_sink=SINKS), heads=1, layers=1),
        Method("adakv", kvpress.AdaKVPress(snapkv, alpha_safeguard=0.2), last=WINDOW),
    ]


class Replay(kvpress.KVzipPress):
    """KVzip without a chat template, each layer cut for itself."""

    def scores_of(self, model, tokenizer, ids, cache):
        self._reset_internal_parameters()
        self._context_ids, self._cache = torch.tensor([ids]), cache
        self._suffix_ids = tokenizer.encode("\n", return_tensors="pt", add_special_tokens=False)
        self._perform_kvzip_compression(model, tokenizer)
        return self.score_val


def kvzip_of(model, tokenizer, ids, cache):
    method = Method("kvzip", None, first=SINKS)
    for budget in BUDGETS:
        # As many tokens as other presses leave, though rounded for all heads of a layer together.
        pruned = 1 - int(budget * len(ids)) / len(ids) + 1e-9
        press = Replay(compression_ratio=pruned, layerwise=True, n_sink=SINKS)
        scores = press.scores_of(model, tokenizer, ids, cache)[:, 0]
        free = scores[..., SINKS:].double()
        method.summaries = list(torch.stack([free.mean(-1), free.std(-1, correction=0)], -1))
        for layer in model.model.layers:
            kept = torch.ones(scores.shape[1:], dtype=torch.bool)
            kept[layer.self_attn.masked_key_indices[1:]] = False
            layer.self_attn.masked_key_indices = None
            method.kept[budget].append(kept)
    return method


def reference_of(model, tokenizer):
    prompts = list(prompts_of(tokenizer))
    data = struct.pack(f"<4s4I{len(BUDGETS)}f", b"SLKV", 1, len(prompts), model.config.num_key_value_heads,
                       len(BUDGETS), *BUDGETS)
    for ids, question in prompts:
        methods = methods_of(question)

        def observe(module, _, kwargs, output, methods=methods):
            cache = kwargs["past_key_values"].layers[module.layer_idx]
            model.config._attn_implementation = "sdpa"  # AdaKV refuses to be asked otherwise
            for method in methods:
                method.observe(module, (kwargs["hidden_states"], cache.keys, cache.values, output[1], kwargs))
            model.config._attn_implementation = "eager"

        model.config._attn_implementation = "eager"
        hooks = []
        for layer in model.model.layers:
            layer.self_attn.rotary_emb = model.model.rotary_emb
            hooks.append(layer.self_attn.register_forward_hook(observe, with_kwargs=True))
        cache = DynamicCache()
        model.model(torch.tensor([ids]), past_key_values=cache)
        for hook in hooks:
            hook.remove()
        model.config._attn_implementation = "sdpa"
        methods.append(kvzip_of(model, tokenizer, ids, cache))
        data += struct.pack(f"<I{len(ids)}i2I", len(ids), *ids, question, len(methods))
        data += b"".join(method.write() for method in methods)
        print(f"{len(ids)} tokens, {question} of them the question", flush=True)
    return data


def main():
    path, output = sys.argv[1:3]
    if not os.path.isfile(path):
        print("skipped: no default model")
        sys.exit(77)
    folder, name = os.path.split(os.path.abspath(path))
    torch.set_grad_enabled(False)
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    model = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=name, dtype=torch.float32, attn_implementation="eager").eval()
    data = reference_of(model, tokenizer)
    if sys.argv[3:] != ["--check"]:
        pathlib.Path(output).write_bytes(data)
        return
    # Rounding may differ by CPU and release: a bit in a thousand is allowed to.
    known = pathlib.Path(output).read_bytes()
    differing = sum(bin(a ^ b).count("1") for a, b in zip(data, known))
    print(f"{differing} of {8 * len(data)} bits differ")
    sys.exit(len(data) != len(known) or differing * 1000 > 8 * len(data))


main()

# SPDX-License-Identifier: Apache-2.0
"""Makes logits_reference.bin: what Hugging Face transformers computes in FP32 from a GGUF file.

Usage: make_logits_reference.py MODEL.gguf OUTPUT.bin   (needs torch, transformers and gguf)

Little-endian. Header: u32 magic 'SLLR', u32 version 1, u32 prompts, u32 stride, u32 vocab.
Per prompt: u32 tokens; i32 ids[tokens]; then per position
  f32 sample[ceil((vocab - position % stride) / stride)]: logits position % stride, + stride, ...
  i32 top_ids[8], f32 top_values[8]: the largest logits, largest first.
"""
import os
import struct
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

STRIDE = 1024
PROMPTS = [
    "Hello",
    "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n",
    "Die Schleuse hebt das Schiff, und das Wasser läuft nach; wer wartet, der kommt zuletzt an. "
    "Ein Kanal ohne Schleusen ist ein Fluss, der nichts vergisst.",
    "Быстрая река несёт лодку к морю, 長い川は海へ流れる。 नदी समुद्र में मिलती है। 🚢🌊 "
    "Ο ποταμός κυλά αργά. النهر يجري إلى البحر.",
    "#include <vector>\n\nint sum(const std::vector<int>& values) {\n  int total = 0;\n"
    "  for (int value : values) total += value;\n  return total;\n}\n\n"
    "def fibonacci(n):\n    a, b = 0, 1\n    while a < n:\n        yield a\n"
    "        a, b = b, a + b\n",
    "The lock keeper counted the boats. " + " ".join(
        f"Boat number {i} carried {i * 37 % 101} crates of {cargo} to the harbour at {i % 24}:00."
        for i, cargo in enumerate(
            ["salt", "tea", "iron", "wool", "grain", "glass", "paper", "coal", "timber", "wine",
             "stone", "cloth", "fish", "oil", "spice", "copper"])),
]


def main():
    path, output = sys.argv[1:3]
    folder, name = os.path.split(os.path.abspath(path))
    os.environ["HF_HUB_OFFLINE"] = "1"
    torch.set_grad_enabled(False)
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    model = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=name, dtype=torch.float32, attn_implementation="eager").eval()
    vocab = model.config.vocab_size
    with open(output, "wb") as file:
        file.write(struct.pack("<4s4I", b"SLLR", 1, len(PROMPTS), STRIDE, vocab))
        for prompt in PROMPTS:
            ids = tokenizer(prompt, add_special_tokens=False).input_ids[:400]
            logits = model(torch.tensor([ids])).logits[0]
            file.write(struct.pack(f"<I{len(ids)}i", len(ids), *ids))
            for position, row in enumerate(logits):
                top = torch.topk(row, 8)
                file.write(row[position % STRIDE::STRIDE].numpy().astype("<f4").tobytes())
                file.write(top.indices.numpy().astype("<i4").tobytes())
                file.write(top.values.numpy().astype("<f4").tobytes())
            print(len(ids), "tokens", file=sys.stderr)


main()

# SPDX-License-Identifier: Apache-2.0
"""Prefill tokens per second, Sluice beside Hugging Face transformers, in one run.

Usage: prefill_peers.py BENCH_PREFILL MODEL.gguf [--lengths 1024 4096] [--runs 5] [--threads 2]

Both get the same token ids, the same number of threads, and compute one prompt with its KV cache
and the last token's logits. Their runs alternate, and medians are compared, so that what else the
machine does falls on both. JSON on stdout, a table on stderr. Needs torch, transformers and gguf.
"""
import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from transformers import AutoModelForCausalLM


class Sluice:
    def __init__(self, arguments, compute, tokens_file):
        self.process = subprocess.Popen(
            [arguments.bench, arguments.model, "--interactive", "--compute", compute,
             "--threads", str(arguments.threads), "--tokens-file", tokens_file,
             "--lengths", *map(str, arguments.lengths)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n", "the bench program did not start"

    def run(self, length):
        self.process.stdin.write(f"{length}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def peak_mib(self):
        self.process.stdin.close()
        peak = float(self.process.stdout.readline())
        self.process.wait()
        return peak


class Transformers:
    def __init__(self, arguments, dtype, ids):
        folder, name = os.path.split(os.path.abspath(arguments.model))
        self.model = AutoModelForCausalLM.from_pretrained(
            folder, gguf_file=name, dtype=dtype, attn_implementation="sdpa").eval()
        self.ids = ids

    def run(self, length):
        prompt = torch.tensor([self.ids[:length]])
        started = time.perf_counter()
        self.model(prompt, use_cache=True, logits_to_keep=1)
        return time.perf_counter() - started


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bench")
    parser.add_argument("model")
    parser.add_argument("--lengths", type=int, nargs="+", default=[1024, 4096])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.set_grad_enabled(False)
    generator = random.Random(1)
    ids = [generator.randrange(3, 49000) for _ in range(max(arguments.lengths))]
    results = []
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(" ".join(map(str, ids)))
        file.flush()
        print(f"{'type':5} {'tokens':>7} {'sluice':>9} {'transformers':>13} {'ratio':>7} "
              f"{'target':>7}", file=sys.stderr)
        for compute, dtype, target in (("f32", torch.float32, 1.1), ("bf16", torch.bfloat16, 1.3)):
            ours = Sluice(arguments, compute, file.name)
            theirs = Transformers(arguments, dtype, ids)
            for length in arguments.lengths:
                ours.run(length)
                theirs.run(length)
                pairs = [(ours.run(length), theirs.run(length)) for _ in range(arguments.runs)]
                our_rate = length / statistics.median(pair[0] for pair in pairs)
                their_rate = length / statistics.median(pair[1] for pair in pairs)
                results.append({"compute": compute, "tokens": length,
                                "sluice_tokens_per_second": our_rate,
                                "transformers_tokens_per_second": their_rate,
                                "ratio": our_rate / their_rate, "target": target,
                                "seconds": pairs})
                print(f"{compute:5} {length:7} {our_rate:9.0f} {their_rate:13.0f} "
                      f"{our_rate / their_rate:7.2f} {target:7.1f}", file=sys.stderr)
            results[-1]["sluice_peak_memory_mib"] = ours.peak_mib()
            del theirs
    print(json.dumps({"bench": "engine/prefill_peers", "threads": arguments.threads,
                      "torch": torch.__version__, "results": results}, indent=2))


main()

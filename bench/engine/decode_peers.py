# SPDX-License-Identifier: Apache-2.0
"""Decode tokens per second of Sluice, llama.cpp and transformers (FP32), on the same GGUF.

    python3 bench/engine/decode_peers.py build/bench/engine/bench_decode MODEL.gguf

All three decode greedily, one sequence, from the same context length, with the same number of
threads. Rounds are interleaved, so that a noisy machine disturbs all alike, and medians compared.
JSON on stdout, a table on stderr. Needs llama-cpp-python, transformers, torch and gguf.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bench", help="the bench_decode program")
    parser.add_argument("model", help="a GGUF file")
    parser.add_argument("--context", type=int, default=128, help="tokens in the cache at the start")
    parser.add_argument("--tokens", type=int, default=64, help="tokens decoded in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--commit", default="unknown")
    parser.add_argument("--peers", default="llama.cpp,transformers")
    return parser.parse_args()


class Sluice:
    def __init__(self, options):
        self.command = [options.bench, options.model, "--context", str(options.context),
                        "--tokens", str(options.tokens), "--threads", str(options.threads),
                        "--runs", "1"]

    def rate(self):
        done = subprocess.run(self.command, check=True, capture_output=True, text=True)
        return json.loads(done.stdout)["results"][0]["tokens_per_s"]


class LlamaCpp:
    def __init__(self, options):
        import llama_cpp
        self.model = llama_cpp.Llama(options.model, n_threads=options.threads,
                                     n_ctx=options.context + options.tokens + 8, verbose=False)
        self.options = options

    def rate(self):
        import llama_cpp
        model, count = self.model, self.options.context
        model.reset()
        model.eval([1] + [(7 * i) % 4000 + 100 for i in range(count - 1)])
        token = 1
        started = time.perf_counter()
        for _ in range(self.options.tokens):
            model.eval([token])
            token = self.greedy(llama_cpp)
        return self.options.tokens / (time.perf_counter() - started)

    def greedy(self, llama_cpp):
        """The argmax in NumPy over llama.cpp's own logits: microseconds, unlike its samplers."""
        import numpy
        logits = llama_cpp.llama_get_logits_ith(self.model.ctx, -1)
        return int(numpy.ctypeslib.as_array(logits, (self.model.n_vocab(),)).argmax())


class Transformers:
    def __init__(self, options):
        import torch
        import transformers
        folder, name = os.path.split(os.path.abspath(options.model))
        torch.set_num_threads(options.threads)
        self.torch = torch
        self.model = transformers.AutoModelForCausalLM.from_pretrained(
            folder, gguf_file=name, dtype=torch.float32).eval()
        self.options = options

    def rate(self):
        torch, options = self.torch, self.options
        with torch.inference_mode():
            prompt = torch.arange(options.context).reshape(1, -1) * 7 % 4000 + 100
            output = self.model(prompt, use_cache=True, logits_to_keep=1)
            started = time.perf_counter()
            for _ in range(options.tokens):
                token = output.logits[:, -1:].argmax(-1)
                output = self.model(token, past_key_values=output.past_key_values, use_cache=True)
            return options.tokens / (time.perf_counter() - started)


def main():
    options = arguments()
    kinds = {"llama.cpp": LlamaCpp, "transformers": Transformers}
    runners = {"sluice": Sluice(options)}
    for name in filter(None, options.peers.split(",")):
        runners[name] = kinds[name](options)
    rates = {name: [] for name in runners}
    for index in range(options.rounds + 1):
        for name, runner in runners.items():
            rate = runner.rate()
            if index > 0:  # the first round warms up
                rates[name].append(rate)
    ours = statistics.median(rates["sluice"])
    report = {"bench": "engine/decode_peers", "commit": options.commit, "model": options.model,
              "context_tokens": options.context, "tokens": options.tokens,
              "threads": options.threads, "results": {}}
    print(f"{'engine':14} {'tokens/s':>9} {'min':>7} {'max':>7} {'sluice is':>10}",
          file=sys.stderr)
    for name, found in rates.items():
        median = statistics.median(found)
        report["results"][name] = {"tokens_per_s": median, "min": min(found), "max": max(found),
                                   "sluice_ratio": ours / median}
        print(f"{name:14} {median:9.1f} {min(found):7.1f} {max(found):7.1f} {ours / median:9.2f}x",
              file=sys.stderr)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()

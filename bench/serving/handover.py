# SPDX-License-Identifier: Apache-2.0
"""KV handover: from the end of the last prefill kernel to the start of the first decode step.

    python bench/serving/handover.py [--tokens 1000] [--requests 20]

Starts a cluster of three ranks on this host (launch/cluster), sends requests of that many tokens
one after the other, and prints JSON, and a table on stderr. The wire time (last kernel's end until
the last write is flushed) is what the link takes; the rest is what we add, and is to be under 5 ms.
"""
import argparse
import json
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(arguments, folder):
    rng = random.Random(1)
    prompts = folder / "prompts.jsonl"
    prompts.write_text("".join(
        json.dumps([rng.randrange(1000, 40000) for _ in range(arguments.tokens)]) + "\n"
        for _ in range(arguments.requests + arguments.warm_up)))
    answers = folder / "answers.jsonl"
    subprocess.run([ROOT / "launch/cluster", "3", "run", arguments.config, "--prompts", prompts,
                    "--output", answers, "--tokens-max", "3", "--ignore-end"],
                   check=True, stdout=subprocess.DEVNULL)
    lines = answers.read_text().splitlines()[arguments.warm_up:]
    return [json.loads(line)["timeline"] for line in lines]


def spread(values):
    ordered = sorted(values)
    return {"median": statistics.median(ordered), "min": ordered[0], "max": ordered[-1]}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=1000)
    parser.add_argument("--requests", type=int, default=20)
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--config", default=ROOT / "configs/clusters/local.yaml")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        timelines = run(arguments, pathlib.Path(folder))
    result = {"benchmark": "serving/handover", "prompt_tokens": arguments.tokens,
              "requests": len(timelines)}
    result["handover_ms"] = spread([t["handover_us"] / 1e3 for t in timelines])
    result["wire_ms"] = spread([t["wire_us"] / 1e3 for t in timelines])
    result["handover_less_wire_ms"] = spread(
        [(t["handover_us"] - t["wire_us"]) / 1e3 for t in timelines])
    result["link_gb_per_s"] = spread([t["link_bytes_per_s"] / 1e9 for t in timelines])
    for name in ("handover_ms", "wire_ms", "handover_less_wire_ms", "link_gb_per_s"):
        row = result[name]
        print(f"{name:24}{row['median']:10.3f}   ({row['min']:.3f} to {row['max']:.3f})",
              file=sys.stderr)
    print(json.dumps(result))


main()

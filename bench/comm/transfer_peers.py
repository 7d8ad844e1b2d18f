#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares bench_transfer with ucx_perftest, NIXL and Mooncake's Transfer Engine, in turns.

    python3 bench/comm/transfer_peers.py --bench BUILD/bench/comm/bench_transfer --out FOLDER

Writes FOLDER/transfer.json, .txt, .md and .png. All run on one host and one path, with two
processes each: shared memory, and TCP over the loopback device alone. Medians of turns; a ratio is
the median of the ratios of each turn, since load comes and goes.
Exits with 1 when a ratio is below its target and --check was given.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time

import transfer_report
from transfer_runs import Missing, Perftest, Sluice, open_engines

# UCX_MM_ERROR_HANDLING: what ours sets for itself, so that NIXL, which also wants to hear of dead
# peers, gets shared memory. A device for all: else NIXL's newer UCX takes eth0 as a second rail.
PATHS = {
    "shm": {"UCX_TLS": "posix,sysv,cma,self", "UCX_MM_ERROR_HANDLING": "y"},
    "tcp": {"UCX_TLS": "tcp,self", "UCX_NET_DEVICES": "lo"},
}
BLOCKS = [4096, 16384, 65536, 262144, 1 << 20, 4 << 20, 16 << 20]
COUNTS = [1, 30, 1000]
PIECE_BYTES = 786432  # a layer's K and V of 1,024 tokens: 2 x 3 heads x 64 x BF16
PIECES = 30
# Most bytes of a round, and about those of a whole measurement.
ROUND_BYTES = {"shm": 128 << 20, "tcp": 32 << 20}
STREAM_BYTES = {"shm": 64 << 20, "tcp": 8 << 20}
STREAMS = [1, 2, 4]


class Rows:
    """Every turn's figure, by what was measured."""

    def __init__(self):
        self.turns = {}

    def add(self, key, gb_per_s, us, best_gb_per_s=0.0):
        """`best_gb_per_s`: of the fastest round, where rounds are seen one by one."""
        self.turns.setdefault(key, []).append((gb_per_s, us, max(gb_per_s, best_gb_per_s)))

    def list(self):
        names = ["path", "kind", "peer", "block_bytes", "count", "streams", "direction"]
        return [dict(zip(names, key),
                     gb_per_s=statistics.median(rate for rate, _, _ in turns),
                     us=statistics.median(us for _, us, _ in turns),
                     best_gb_per_s=max(best for _, _, best in turns),
                     turns_gb_per_s=[rate for rate, _, _ in turns])
                for key, turns in self.turns.items()]


def iterations(path, block):
    return max(2, min(20000, STREAM_BYTES[path] // block))


def rounds_for(path, total_bytes):
    return max(3, min(30, STREAM_BYTES[path] // total_bytes))


def add_case(rows, path, kind, case, of="visible_us", peer="sluice"):
    us = case[of]["median"]
    rows.add((path, kind, peer, case["block_bytes"], case["count"], case["streams"],
              case["direction"]), case["total_bytes"] / us / 1e3, us,
             case["total_bytes"] / case[of].get("min", us) / 1e3)


def add_engine(rows, path, kind, engine, batch, rounds):
    block, count = batch
    times = engine.batch_us(block, count, rounds)
    us = statistics.median(times)
    rows.add((path, kind, engine.name, block, count, 1, "one"), block * count / us / 1e3, us,
             block * count / min(times) / 1e3)


def stream_turn(rows, path, ours, perftest, block):
    """One block after the other at one place, then known to be visible: put_bw's way."""
    count = iterations(path, block)
    words = ["--memory", "same", "--blocks", block, "--counts", count]
    add_case(rows, path, "stream", ours.cases(words, 3)[0])
    rate = perftest.put_gb_per_s(block, count)
    rows.add((path, "stream", perftest.name, block, count, 1, "one"), rate, 0)


def latency_turn(rows, path, ours, perftest, block):
    """One block and the knowledge that it is visible; put_lat: half of a ping-pong of puts."""
    rounds = 100 if block < 1 << 20 else 10
    case = ours.cases(["--blocks", block, "--counts", 1], rounds)[0]
    add_case(rows, path, "latency", case)
    if path == "tcp":
        case = ours.cases(["--blocks", block, "--counts", 1], rounds, wait="spin-all")[0]
        add_case(rows, path, "latency", case, peer="sluice, spinning")
    us = perftest.put_latency_us(block, max(4, min(200, iterations(path, block))))
    rows.add((path, "latency", perftest.name, block, 1, 1, "one"), block / us / 1e3, us)


def batch_turn(rows, path, ours, engines, block, count):
    """`count` blocks at places of their own, then known to be written."""
    total = block * count
    rounds = rounds_for(path, total)
    words = ["--blocks", block, "--counts", count]
    add_case(rows, path, "batch", ours.cases(words, rounds)[0])
    if path == "tcp" and count == 1:
        case = ours.cases(words, rounds, wait="spin-all")[0]
        add_case(rows, path, "batch", case, peer="sluice, spinning")
    for engine in engines:
        add_engine(rows, path, "batch", engine, (block, count), rounds)


def request_turn(rows, path, ours, perftest, engines):
    """The KV of a 1,000-token prompt: 30 pieces at places of their own, beside one put of as much;
    and at one place, beside puts of a piece at one place."""
    total = PIECE_BYTES * PIECES
    case = ours.cases(["--blocks", PIECE_BYTES, "--counts", PIECES], 9)[0]
    add_case(rows, path, "request", case)
    add_case(rows, path, "request, told", case, "told_us")
    rows.add((path, "request", "ucx_perftest", total, 1, 1, "one"),
             perftest.put_gb_per_s(total, 3), 0)
    case = ours.cases(["--blocks", PIECE_BYTES, "--counts", PIECES, "--memory", "same"], 9)[0]
    add_case(rows, path, "request, one place", case)
    rows.add((path, "request, one place", "ucx_perftest", PIECE_BYTES, PIECES, 1, "one"),
             perftest.put_gb_per_s(PIECE_BYTES, iterations(path, PIECE_BYTES)), 0)
    for engine in engines:
        add_engine(rows, path, "request", engine, (PIECE_BYTES, PIECES), 9)


def streams_turn(rows, path, ours, perftest, streams):
    """`streams` writers to one receiver, one way and both ways; as many pairs of perftest one
    way; each at a place of its own, again and again."""
    block = 1 << 20
    count = 16
    words = ["--blocks", block, "--counts", count, "--streams", streams, "--memory", "same",
             "--directions", "one,both"]
    for case in ours.cases(words, 7):
        add_case(rows, path, "streams", case)
    rows.add((path, "streams", perftest.name, block, count, streams, "one"),
             perftest.pairs_gb_per_s(block, count * 4, streams), 0)


def turn(rows, path, options, notes):
    """One turn of everything on a path; gives the lanes that ours had."""
    environment = dict(os.environ, **PATHS[path])
    ours = Sluice(options.bench, environment)
    perftest = Perftest(options.perftest, environment)
    names = ["nixl"] + (["mooncake"] if path == "tcp" else [])
    engines, missing = open_engines(options.peers_python, environment, names)
    notes += [note for note in missing if note not in notes]
    try:
        for block in options.blocks:
            stream_turn(rows, path, ours, perftest, block)
            latency_turn(rows, path, ours, perftest, block)
            for count in options.counts:
                if block * count <= ROUND_BYTES[path]:
                    batch_turn(rows, path, ours, engines, block, count)
        request_turn(rows, path, ours, perftest, engines)
        for streams in STREAMS:
            streams_turn(rows, path, ours, perftest, streams)
    finally:
        for engine in engines:
            engine.close()
    return ours.lanes


def make_report(rows, turns, lanes, notes):
    report = {
        "machine": {"cores": os.cpu_count(), "load_average": os.getloadavg()[0],
                    "kernel": platform.release(),
                    "tcp_congestion_control": transfer_report.congestion_control()},
        "turns": turns, "lanes": lanes, "notes": notes, "rows": rows.list(),
    }
    report["ratios"] = transfer_report.ratios(report["rows"])
    return report


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bench", required=True)
    parser.add_argument("--out", required=True, help="a folder for the four files")
    parser.add_argument("--perftest", default="ucx_perftest")
    cache = os.environ.get("SLUICE_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "sluice")
    parser.add_argument("--peers-python", default=os.path.join(cache, "venv", "bin", "python"),
                        help="a Python with nixl and mooncake (default: launch/setup's)")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=900, help="no new turn after these")
    parser.add_argument("--paths", nargs="+", choices=PATHS, default=list(PATHS))
    parser.add_argument("--blocks", nargs="+", type=int, default=BLOCKS)
    parser.add_argument("--counts", nargs="+", type=int, default=COUNTS)
    parser.add_argument("--check", action="store_true", help="exit with 1 below a target")
    return parser.parse_args()


def main():
    options = parse()
    os.makedirs(options.out, exist_ok=True)
    rows, notes, lanes = Rows(), [], {}
    start = time.monotonic()
    for number in range(1, options.turns + 1):
        try:
            for path in options.paths:
                print(f"turn {number} of {options.turns}: {path}", file=sys.stderr)
                lanes[path] = turn(rows, path, options, notes)
        except Missing as error:
            sys.exit(str(error))
        # After every turn: a run that is cut off leaves what it has.
        report = make_report(rows, number, lanes, notes)
        with open(os.path.join(options.out, "transfer.json"), "w") as file:
            json.dump(report, file, indent=1)
        if time.monotonic() - start > options.seconds:
            break
    transfer_report.write(report, options.out)
    low = [ratio for ratio in report["ratios"] if ratio["ratio"] < ratio["target"]]
    sys.exit(1 if options.check and low else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares bench_transfer with ucx_perftest -t ucp_put_bw on the same transports, in turns.

    python3 bench/comm/transfer_peers.py --bench BUILD/bench/comm/bench_transfer

Two comparisons a transport, both with the memory footprint named: a piece of one layer (3 MB) that
both sides use again and again, and the whole KV of a request (94 MB), where ours goes in pieces of
one layer and perftest in one put. Ours also pays a flush, a message and its answer each time.
Prints a table, then JSON. Exits with 1 when a ratio is below --target.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

PATHS = {"shm": "posix,sysv,cma,self", "tcp": "tcp,self"}
PIECE_BYTES = 4096 * 768
TOTAL_BYTES = 30 * PIECE_BYTES
PORT = 13447


def run_ours(bench, tls, rounds):
    command = [bench, "--no-sweep", "--rounds", str(rounds)]
    environment = dict(os.environ, UCX_TLS=tls)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        sys.exit(f"{bench} failed: {done.stderr}")
    return json.loads(done.stdout)


def run_perftest(perftest, tls, message_bytes, iterations):
    """GB/s of ucp_put_bw: its "overall" bandwidth."""
    environment = dict(os.environ, UCX_TLS=tls)
    arguments = ["-t", "ucp_put_bw", "-s", str(message_bytes), "-n", str(iterations), "-w", "3"]
    arguments += ["-f", "-p", str(PORT)]
    server = subprocess.Popen(
        [perftest] + arguments, env=environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):  # until the server listens
            done = subprocess.run(
                [perftest, "localhost"] + arguments, env=environment, capture_output=True,
                text=True, timeout=300)
            if done.returncode == 0:
                break
            if server.poll() is not None:
                sys.exit("the perftest server ended early")
        finals = [line for line in done.stdout.splitlines() if line.strip()]
        # Columns: iterations, latency (typical, average, overall), MB/s (average, overall), rates.
        fields = [field for field in finals[-1].replace("Final:", "").split() if field]
        return float(fields[-3]) * 2**20 / 1e9
    finally:
        server.terminate()
        server.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bench", required=True)
    parser.add_argument("--perftest", default="ucx_perftest")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--paths", nargs="+", choices=PATHS, default=list(PATHS))
    parser.add_argument("--target", type=float, default=0.85)
    options = parser.parse_args()

    rows = []
    for path in options.paths:
        tls = PATHS[path]
        seen = {"reused 3 MB": ([], []), "fresh 94 MB": ([], [])}
        iterations = {"shm": (300, 20), "tcp": (20, 2)}[path]
        for _ in range(options.turns):
            ours = run_ours(options.bench, tls, options.rounds)
            seen["reused 3 MB"][0].append(ours["request_reused"]["gb_per_s"]["median"])
            seen["fresh 94 MB"][0].append(ours["request"]["gb_per_s"]["median"])
            seen["reused 3 MB"][1].append(
                run_perftest(options.perftest, tls, PIECE_BYTES, iterations[0]))
            seen["fresh 94 MB"][1].append(
                run_perftest(options.perftest, tls, TOTAL_BYTES, iterations[1]))
        for memory, (our_rates, peer_rates) in seen.items():
            our_rate = statistics.median(our_rates)
            peer_rate = statistics.median(peer_rates)
            rows.append({
                "path": path, "ucx_path": ours["path"], "memory": memory,
                "sluice_gb_per_s": our_rate, "perftest_gb_per_s": peer_rate,
                "sluice_all": our_rates, "perftest_all": peer_rates,
                "ratio": our_rate / peer_rate})

    print(f"{'path':<5} {'memory':<12} {'sluice GB/s':>12} {'perftest GB/s':>14} {'ratio':>6}",
          file=sys.stderr)
    for row in rows:
        print(f"{row['path']:<5} {row['memory']:<12} {row['sluice_gb_per_s']:>12.2f} "
              f"{row['perftest_gb_per_s']:>14.2f} {row['ratio']:>6.2f}", file=sys.stderr)
    print(json.dumps({"load_average": os.getloadavg()[0], "cores": os.cpu_count(), "rows": rows},
                     indent=2))
    sys.exit(0 if all(row["ratio"] >= options.target for row in rows) else 1)


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""Sluice's entropy stages beside torchac and constriction, on the same symbols.

    python3 bench/kernels/entropy_peers.py build/release/bench/kernels/bench_entropy

bench_entropy draws the symbols (4-bit Gaussian columns of different deviations) and writes them to
a file; the peers code the same ones with one distribution per column. Rounds are interleaved,
medians compared; one thread each, CPU seconds. JSON on stdout, a table on stderr. Needs torchac
(which compiles itself with ninja when first imported), constriction, torch and numpy.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bench", help="the bench_entropy program")
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--columns", type=int, default=192)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default="torchac,constriction")
    return parser.parse_args()


KIND = "gauss 4 bit"
BITS = 4


def sluice(options, path):
    """{name: (encode GB/s, decode GB/s, bits per symbol)} of one run of the bench."""
    done = subprocess.run(
        [options.bench, "--rows", str(options.rows), "--columns", str(options.columns),
         "--rounds", "5", "--only", KIND, "--write", path],
        check=True, capture_output=True, text=True)
    return {f"sluice {r['stage']} {r['tables']}":
            (r["encode_gb_per_s"], r["decode_gb_per_s"], r["bits_per_symbol"])
            for r in json.loads(done.stdout)["results"]}


def timed(work):
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


class Torchac:
    """encode_int16_normalized_cdf: a row of 16-bit cumulative frequencies for every symbol."""

    def __init__(self, symbols, probabilities):
        import torch
        import torchac
        torch.set_num_threads(1)
        self.torchac = torchac
        self.symbols = torch.from_numpy(symbols.astype("int16"))
        cumulative = probabilities.cumsum(axis=1)
        cdf = torch.zeros(probabilities.shape[0], probabilities.shape[1] + 1, dtype=torch.float32)
        cdf[:, 1:] = torch.from_numpy(cumulative)
        cdf = cdf.expand(symbols.shape[0], -1, -1).contiguous()
        # Quantizing the distributions once, not every time, is in torchac's favour.
        from torchac import torchac as inside
        self.cdf = inside._convert_to_int_and_normalize(cdf, needs_normalization=True)

    def encode(self):
        return self.torchac.encode_int16_normalized_cdf(self.cdf, self.symbols)

    def decode(self, coded):
        return self.torchac.decode_int16_normalized_cdf(self.cdf, coded)

    def is_right(self, decoded):
        return bool((decoded == self.symbols).all())

    @staticmethod
    def size_bytes(coded):
        return len(coded)


class Constriction:
    """Its range coder, a column at a time, each with a categorical model."""

    def __init__(self, symbols, probabilities):
        import constriction
        self.constriction = constriction
        self.columns = [symbols[:, c].astype("int32").copy() for c in range(symbols.shape[1])]
        self.models = [constriction.stream.model.Categorical(p, perfect=False)
                       for p in probabilities.astype("float32")]

    def encode(self):
        encoder = self.constriction.stream.queue.RangeEncoder()
        for column, model in zip(self.columns, self.models):
            encoder.encode(column, model)
        return encoder.get_compressed()

    def decode(self, coded):
        decoder = self.constriction.stream.queue.RangeDecoder(coded)
        return [decoder.decode(model, len(column))
                for column, model in zip(self.columns, self.models)]

    def is_right(self, decoded):
        return all((a == b).all() for a, b in zip(decoded, self.columns))

    @staticmethod
    def size_bytes(coded):
        return coded.nbytes


PEERS = {"torchac": Torchac, "constriction": Constriction}


def main():
    import numpy
    options = arguments()
    rates = {}
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "symbols.bin")
        sluice(options, path)
        symbols = numpy.fromfile(path, dtype=numpy.uint8).reshape(options.rows, options.columns)
        counts = numpy.stack([numpy.bincount(symbols[:, c], minlength=1 << BITS)
                              for c in range(options.columns)]) + 1.0 / 256
        probabilities = counts / counts.sum(axis=1, keepdims=True)
        peers = {name: PEERS[name](symbols, probabilities) for name in options.peers.split(",")}
        for _ in range(options.rounds):
            for name, rate in sluice(options, path).items():
                rates.setdefault(name, []).append(rate)
            for name, peer in peers.items():
                encode_s, coded = timed(peer.encode)
                decode_s, decoded = timed(lambda: peer.decode(coded))
                if not peer.is_right(decoded):
                    sys.exit(f"{name} decodes other symbols")
                rates.setdefault(name, []).append(
                    (symbols.size / encode_s / 1e9, symbols.size / decode_s / 1e9,
                     8 * peer.size_bytes(coded) / symbols.size))
    report = {name: dict(zip(("encode_gb_per_s", "decode_gb_per_s", "bits_per_symbol"),
                             (statistics.median(values) for values in zip(*rounds))))
              for name, rounds in rates.items()}
    print(f"{'coder':26} {'encode':>9} {'decode':>9} (GB/s of symbols) {'bits':>7}",
          file=sys.stderr)
    for name, row in report.items():
        print(f"{name:26} {row['encode_gb_per_s']:9.4f} {row['decode_gb_per_s']:9.4f} "
              f"{'':17} {row['bits_per_symbol']:7.3f}", file=sys.stderr)
    print(json.dumps({"rows": options.rows, "columns": options.columns, "symbols": KIND,
                      "results": report}, indent=2))


if __name__ == "__main__":
    main()

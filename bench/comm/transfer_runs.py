# SPDX-License-Identifier: Apache-2.0
"""What transfer_peers.py measures with: ours, ucx_perftest, NIXL, Mooncake."""

import glob
import json
import os
import shutil
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE_S = 120


class Missing(Exception):
    """A peer that is not installed here; says what is lost."""


class Sluice:
    name = "sluice"

    def __init__(self, bench, environment):
        self.bench = bench
        # UCX's own place for what it has to say is the standard output.
        self.environment = dict(environment, UCX_LOG_FILE="stderr")
        self.lanes = []

    def cases(self, arguments, rounds, wait="sleep"):
        """bench_transfer's cases for `arguments`, a list of words."""
        command = [self.bench, "--rounds", str(rounds), "--wait", wait] + [str(word) for word in arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True,
                              timeout=PATIENCE_S)
        if done.returncode != 0:
            raise RuntimeError(f"{self.bench} failed: {done.stderr}")
        report = json.loads(done.stdout)
        self.lanes = report["lanes"]
        return report["cases"]


class Perftest:
    name = "ucx_perftest"

    def __init__(self, program, environment, port=14300):
        self.program = shutil.which(program)
        if self.program is None:
            raise Missing(f"{program} is not there: the yardstick is missing (ucx-utils)")
        self.environment = environment
        self.port = port

    def final(self, test, block, iterations):
        """The numbers of the final line: iterations, latency in us (typical, average, overall),
        MB/s (average, overall), messages/s (average, overall)."""
        return self.finals(test, block, iterations, 1)[0]

    def finals(self, test, block, iterations, pairs):
        """Of `pairs` pairs of processes at once."""
        servers, clients, ports = [], [], []
        try:
            for _ in range(pairs):
                self.port += 1  # one that is still closing would refuse the next server
                ports.append(self.port)
                servers.append(self.start(test, block, iterations, self.port, None))
            time.sleep(0.15)
            clients = [self.start(test, block, iterations, port, "localhost") for port in ports]
            return [self.result(client, test, block, iterations, port)
                    for client, port in zip(clients, ports)]
        finally:
            for process in servers + clients:
                process.kill()
                process.communicate()

    def start(self, test, block, iterations, port, host):
        words = [self.program] + ([host] if host else [])
        words += ["-t", test, "-s", str(block), "-n", str(iterations), "-w",
                  str(max(3, iterations // 10)), "-f", "-p", str(port)]
        return subprocess.Popen(words, env=self.environment, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True)

    def result(self, client, test, block, iterations, port):
        for _ in range(50):  # until the server listens
            text = client.communicate(timeout=PATIENCE_S)[0]
            lines = [line.split() for line in text.splitlines() if line.strip()]
            if client.returncode == 0 and lines and len(lines[-1]) >= 8:
                return [float(word) for word in lines[-1][:8]]
            time.sleep(0.1)
            client = self.start(test, block, iterations, port, "localhost")
        raise RuntimeError("ucx_perftest's client never reached its server")

    def put_gb_per_s(self, block, iterations):
        return self.final("ucp_put_bw", block, iterations)[5] * 2**20 / 1e9

    def put_latency_us(self, block, iterations):
        return self.final("ucp_put_lat", block, iterations)[3]

    def pairs_gb_per_s(self, block, iterations, pairs):
        finals = self.finals("ucp_put_bw", block, iterations, pairs)
        return sum(final[5] for final in finals) * 2**20 / 1e9


class Engine:
    """Two processes of transfer_worker.py."""

    def __init__(self, name, python, environment):
        self.name = name
        self.processes = []
        try:
            for _ in range(2):
                self.processes.append(subprocess.Popen(
                    [python, os.path.join(HERE, "transfer_worker.py"), name],
                    env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL, text=True))
            hellos = [self.answer(process)["hello"] for process in self.processes]
            for process, hello in zip(self.processes, reversed(hellos)):
                self.ask(process, {"meet": hello})
        except (OSError, RuntimeError) as error:
            self.close()
            raise Missing(f"{name} does not start with {python}: {error}") from error

    def answer(self, process):
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name}'s process ended with {process.wait()}")
        return json.loads(line)

    def ask(self, process, task):
        process.stdin.write(json.dumps(task) + "\n")
        process.stdin.flush()
        return self.answer(process)

    def batch_us(self, block, count, rounds):
        task = {"block": block, "count": count, "rounds": rounds}
        return self.ask(self.processes[0], task)["us"]

    def close(self):
        for process in self.processes:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def site_packages(python):
    found = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True)
    if found.returncode != 0:
        raise Missing(f"{python} is not a Python")
    return found.stdout.strip()


def mooncake_environment(python, environment, folder):
    """Mooncake's wheel wants NVIDIA's driver at load, also for TCP: where there is none, a library
    of that name whose every function says "no device"."""
    packages = site_packages(python)
    engine = os.path.join(packages, "mooncake", "engine.so")
    if not os.path.exists(engine):
        raise Missing("mooncake is not installed (launch/setup --dev)")
    folders = glob.glob(os.path.join(packages, "nvidia", "cuda_runtime", "lib"))
    if subprocess.run([python, "-c", "import ctypes; ctypes.CDLL('libcuda.so.1')"],
                      capture_output=True).returncode != 0:
        symbols = subprocess.run(["nm", "-D", "--undefined-only", engine], capture_output=True,
                                 text=True, check=True).stdout.split()
        names = sorted({word for word in symbols if word[:2] == "cu" and word[2:3].isupper()})
        code = "".join(f"int {name}(void) {{ return 100; }}\n" for name in names)
        subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-", "-Wl,-soname,libcuda.so.1", "-o",
                        os.path.join(folder, "libcuda.so.1")], input=code, text=True, check=True)
        folders.append(folder)
    old = environment.get("LD_LIBRARY_PATH", "")
    return dict(environment, LD_LIBRARY_PATH=":".join(folders + ([old] if old else [])))


def open_engines(python, environment, names):
    """The engines of `names` that are there, and a sentence for each that is not."""
    engines, notes = [], []
    for name in names:
        try:
            if name == "mooncake":
                # Kept until the interpreter ends: the processes hold the library.
                folder = tempfile.TemporaryDirectory()
                own = mooncake_environment(python, environment, folder.name)
                engine = Engine(name, python, own)
                engine.folder = folder
            else:
                engine = Engine(name, python, environment)
            engines.append(engine)
        except (Missing, OSError, subprocess.SubprocessError) as error:
            notes.append(str(error))
    return engines, notes

# SPDX-License-Identifier: Apache-2.0
"""`sluice serve` on the hosts of a Network: one cluster a policy, side by side, idle but for one."""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from links_plan import Wrong

HERE = pathlib.Path(__file__).resolve().parent
PORT = 8100  # and the next ones
BULK_PORT = 8090
READY_S = 180
GONE = ("Connection", "RemoteDisconnected")  # errors, as the client names them

# Instead of ssh: how mpirun gets to a host.
AGENT = """#!/bin/sh
host=$1
shift
exec ip netns exec "$host" sh -c "$*"
"""


@dataclasses.dataclass
class Scheduling:
    policy: str
    ttft: str  # the objective, as the cluster file writes it
    quality_floor: float = 100.0  # that of no floor
    levels: pathlib.Path = None  # the table; None: the program's own choice
    adapts: bool = False  # levels may change within a request


@dataclasses.dataclass
class Serving:
    program: pathlib.Path
    model: str
    scheduling: dict  # FIXED or chooser -> Scheduling
    prefill_threads: int
    folder: pathlib.Path  # of logs and files on the way


def cluster_file(serving, name, port, decoders, log):
    lines = ["model: { path: %s }" % json.dumps(serving.model),
             f"cluster: {{ ranks: [router, prefill, decode x {decoders}] }}",
             f"router: {{ host: 127.0.0.1, port: {port}, join_port: 0 }}",
             f"prefill: {{ threads: {serving.prefill_threads}, kv_memory: 256MiB,"
             " send_memory: 384MiB }",
             "decode: { threads: 1, sequences_max: 16, kv_memory: 512MiB, arena_memory: 384MiB }"]
    chosen = serving.scheduling[name]
    lines += ["scheduler:", f"  policy: {chosen.policy}"]
    if chosen.levels:
        lines.append(f"  levels: {json.dumps(str(chosen.levels))}")
    lines += [f"  decision_log: {json.dumps(str(log))}",
              f"  adapt_levels: {str(chosen.adapts).lower()}",
              "  classes:",
              f"    - {{ name: default, ttft: {chosen.ttft},"
              f" quality_floor: {chosen.quality_floor:g}, may_reject: false }}"]
    if decoders > 1:  # behind one trunk, whose rate is for the cluster to find out
        lines += ["topology:", "  uplinks:", "    - { name: trunk, ranks: [0, 1] }"]
    return "\n".join(lines) + "\n"


class Cluster:
    def __init__(self, network, serving, name, number, decoders):
        self.network = network
        self.name = name
        self.port = PORT + number
        group = "shared" if decoders > 1 else "pair"
        self.log = serving.folder / f"{group}-{name}.log"
        config = serving.folder / f"{group}-{name}.yaml"
        decisions = serving.folder / f"{group}-{name}.decisions.jsonl"
        config.write_text(cluster_file(serving, name, self.port, decoders, decisions))
        # mpirun goes on, and says 0, whatever became of its ranks; the router leaves its exit code.
        self.status = serving.folder / f"{group}-{name}.status"
        self.status.write_text("")
        agent = serving.folder / "agent"
        agent.write_text(AGENT)
        agent.chmod(0o755)
        hosts = ["prefill", "prefill"] + [f"decode{number + 1}" for number in range(decoders)]
        command = network.inside("prefill") + [
            "mpirun", "-n", str(len(hosts)), "--host",
            ",".join(network.names[host] for host in hosts), "-q", "--bind-to", "none",
            "--enable-recovery", "--mca", "plm_rsh_agent", str(agent), "--mca",
            "oob_tcp_if_include", "eth0", "--mca", "btl_tcp_if_include", "eth0", "--mca", "routed",
            "direct", "-x", "UCX_TLS=tcp,self", "-x", "UCX_NET_DEVICES=eth0", "-x",
            "SLUICE_STATUS_FILE", str(serving.program), "serve", str(config)]
        environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1",
                           OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                           SLUICE_STATUS_FILE=str(self.status))
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT, env=environment,
                                            start_new_session=True)

    def wait_until_ready(self):
        end = time.monotonic() + READY_S
        while "sluice: serving " not in self.log.read_text(errors="replace"):
            if self.has_ended():
                raise Wrong(f"The cluster of {self.name} did not start: {self.last_words()}")
            if time.monotonic() > end:
                raise Wrong(f"The cluster of {self.name} was not ready after {READY_S} s: "
                            f"{self.last_words()}")
            time.sleep(0.1)

    def has_ended(self):
        return self.process.poll() is not None or self.status.read_text() != ""

    def last_words(self):
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        said = [line for line in lines if line.startswith("sluice: ")] or lines
        return (said[-1] if said else "it said nothing") + f" ({self.log})"

    def client(self, job, during=None):
        """What links_client.py answers, a value a line; `during()` is called meanwhile."""
        if self.has_ended():
            raise Wrong(f"The cluster of {self.name} has ended: {self.last_words()}")
        command = self.network.inside("prefill") + [sys.executable, str(HERE / "links_client.py")]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                   start_new_session=True)
        process.stdin.write(json.dumps({"port": self.port, **job}))
        process.stdin.close()
        if during:
            during()
        lines = process.stdout.read().splitlines()
        if process.wait() != 0 or not lines:
            raise self.silence()
        answers = [json.loads(line) for line in lines]
        # Of a router that is gone nothing is worth keeping.
        if all(isinstance(answer, dict) and answer.get("error", "").startswith(GONE)
               for answer in answers):
            raise self.silence()
        return answers

    def silence(self):
        return Wrong(f"The cluster of {self.name} does not answer: {self.last_words()}")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def kill(self):
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Clusters:
    """A context: a cluster for every name, with that many decode workers."""

    def __init__(self, network, serving, names, decoders):
        self.clusters = {}
        self.network = network
        self.arguments = (serving, names, decoders)

    def __enter__(self):
        serving, names, decoders = self.arguments
        self.network.set_pair_rate("line")
        try:
            for number, name in enumerate(names):
                # One after the other: they would only take the processor from each other.
                self.clusters[name] = Cluster(self.network, serving, name, number, decoders)
                self.clusters[name].wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self.clusters

    def __exit__(self, *_):
        for cluster in self.clusters.values():
            cluster.stop()
        for cluster in self.clusters.values():
            cluster.kill()


class Bulk:
    """A context: while it lasts, `sender` sends to `sink` all it can."""

    def __init__(self, network, address):
        self.network = network
        self.address = address

    def __enter__(self):
        program = [sys.executable, str(HERE / "links_bulk.py")]
        self.processes = [
            subprocess.Popen(self.network.inside("sink") + program + ["receive", str(BULK_PORT)],
                             start_new_session=True),
            subprocess.Popen(self.network.inside("sender") + program
                             + ["send", self.address, str(BULK_PORT)],
                             start_new_session=True, stderr=subprocess.DEVNULL)]
        time.sleep(0.5)  # its share of the link is by then what it stays

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.kill()
            process.wait()

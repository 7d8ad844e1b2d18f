# SPDX-License-Identifier: Apache-2.0
"""Hosts with links on one machine: network namespaces, veth pairs, bridges, tc tbf.

    prefill --.                        .-- decode1
               left ===(trunk)=== right --- decode2
    sender  --'                        '-- sink

The router shares the prefill worker's host. A pair's link is shaped where its hosts send, as a network
card is; a shared bottleneck in the trunk, as a switch is. Needs root and iproute2.
"""

import os
import re
import shutil
import signal
import subprocess
import time

from links_plan import LINE, Wrong, bits_per_s

PREFIX = "sluice-links-"
LEFT = ("prefill", "sender")
RIGHT = ("decode1", "decode2", "sink")
ADDRESSES = {host: f"10.78.0.{number}" for number, host in enumerate(LEFT + RIGHT, 1)}
PATIENCE_S = 10


def check_tools():
    if os.geteuid() != 0:
        raise Wrong("bench/serving/links makes network namespaces: run it as root.")
    for program, package in (("ip", "iproute2"), ("tc", "iproute2"), ("mpirun", "openmpi-bin")):
        if shutil.which(program) is None:
            raise Wrong(f"There is no program {program}: install {package}.")


def call(*words):
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        raise Wrong(f"\"{' '.join(words)}\" failed: {done.stderr.strip()}")
    return done.stdout


def namespaces():
    return [line.split()[0] for line in call("ip", "netns", "list").splitlines() if line.strip()]


def pids_in(namespace):
    done = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True)
    return [int(word) for word in done.stdout.split()]


def delete(names):
    """With what still runs in them, which gets a moment to end by itself."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        pids = [pid for name in names for pid in pids_in(name)]
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        end = time.monotonic() + PATIENCE_S
        while any(pids_in(name) for name in names) and time.monotonic() < end:
            time.sleep(0.05)
    for name in names:
        subprocess.run(["ip", "netns", "delete", name], capture_output=True)


def delete_left_over():
    """Of runs that were killed before they could clean up."""
    names = []
    for name in namespaces():
        found = re.fullmatch(re.escape(PREFIX) + r"(\d+)-\w+", name)
        if found and not os.path.exists(f"/proc/{found[1]}"):
            names.append(name)
    delete(names)


class Network:
    """A context: what it made is gone at its end, and what ran in it too."""

    def __init__(self):
        self.names = {host: f"{PREFIX}{os.getpid()}-{host}" for host in LEFT + RIGHT + ("switch",)}
        self.shaped = {}  # (host, device) -> rate

    def __enter__(self):
        delete_left_over()
        try:
            self.build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        there = set(namespaces())
        delete([name for name in self.names.values() if name in there])

    def build(self):
        for name in self.names.values():
            call("ip", "netns", "add", name)
        for side in ("left", "right"):
            self.ip("switch", "link", "add", side, "type", "bridge")
            self.ip("switch", "link", "set", side, "up")
        self.ip("switch", "link", "add", "to_right", "type", "veth", "peer", "name", "to_left")
        self.ip("switch", "link", "set", "to_right", "master", "left", "up")
        self.ip("switch", "link", "set", "to_left", "master", "right", "up")
        for number, host in enumerate(LEFT + RIGHT):
            name = self.names[host]
            call("ip", "link", "add", "name", f"port{number}", "netns", self.names["switch"], "type",
                 "veth", "peer", "name", "eth0", "netns", name)
            side = "left" if host in LEFT else "right"
            self.ip("switch", "link", "set", f"port{number}", "master", side, "up")
            self.ip(host, "address", "add", f"{ADDRESSES[host]}/24", "dev", "eth0")
            self.ip(host, "link", "set", "lo", "up")
            self.ip(host, "link", "set", "eth0", "up")

    def ip(self, host, *words):
        call("ip", "-n", self.names[host], *words)

    def inside(self, host):
        """The words before a command that runs on that host."""
        return ["ip", "netns", "exec", self.names[host]]

    def set_pair_rate(self, rate):
        self.shape("switch", "to_right", LINE)
        self.shape("switch", "to_left", LINE)
        for host in ("prefill", "decode1", "decode2"):
            self.shape(host, "eth0", rate)

    def set_trunk_rate(self, rate):
        for host in ("prefill", "decode1", "decode2"):
            self.shape(host, "eth0", LINE)
        self.shape("switch", "to_right", rate)
        self.shape("switch", "to_left", rate)

    def shape(self, host, device, rate):
        before = self.shaped.get((host, device), LINE)
        if before == rate:
            return
        command = ["tc", "-n", self.names[host], "qdisc"]
        if rate == LINE:
            call(*command, "delete", "dev", device, "root")
        else:
            # A millisecond at that rate: a timer that comes late must not cost throughput.
            burst = max(64 << 10, int(bits_per_s(rate) / 8 / 1000))
            call(*command, "add" if before == LINE else "change", "dev", device, "root", "tbf",
                 "rate", rate, "burst", str(burst), "latency", "20ms")
        self.shaped[(host, device)] = rate

    def received_bytes(self, hosts):
        """By their cards, headers and all."""
        total = 0
        for host in hosts:
            path = "/sys/class/net/eth0/statistics/rx_bytes"
            total += int(call(*self.inside(host), "cat", path))
        return total

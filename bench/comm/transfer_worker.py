# SPDX-License-Identifier: Apache-2.0
"""One side of another transfer engine, in a process of its own: transfer_worker.py nixl|mooncake.

Started by transfer_peers.py with the Python that has the engine. Speaks JSON, a line a message: it
says {"hello": ...}, takes {"meet": the other's hello}, then {"block", "count", "rounds"} and
answers {"us": [...]}: one time a round, from the first post until the engine says that `count`
blocks at places of their own are written. Ends with its standard input.
"""

import base64
import json
import os
import sys
import time

import numpy

MEMORY_BYTES = 256 << 20
WARMUP_ROUNDS = 3


class Nixl:
    """NIXL's UCX backend: a request is prepared once and posted each round, its best case."""

    def __init__(self, name):
        from nixl._api import nixl_agent, nixl_agent_config
        self.memory = numpy.full(MEMORY_BYTES, 1, dtype=numpy.uint8)
        self.agent = nixl_agent(name, nixl_agent_config(backends=["UCX"]))
        self.agent.register_memory([(self.memory.ctypes.data, MEMORY_BYTES, 0, "")], "DRAM")
        self.name = name

    def hello(self):
        return {"name": self.name, "address": self.memory.ctypes.data,
                "metadata": base64.b64encode(self.agent.get_agent_metadata()).decode()}

    def meet(self, hello):
        self.peer = hello["name"]
        self.address = hello["address"]
        self.agent.add_remote_agent(base64.b64decode(hello["metadata"]))

    def prepare(self, block, count):
        def places(address):
            return self.agent.get_xfer_descs(
                [(address + i * block, block, 0) for i in range(count)], "DRAM")
        return self.agent.initialize_xfer(
            "WRITE", places(self.memory.ctypes.data), places(self.address), self.peer)

    def run(self, request):
        state = self.agent.transfer(request)
        while state == "PROC":
            state = self.agent.check_xfer_state(request)
        if state != "DONE":
            sys.exit(f"nixl: a transfer ended as {state}")

    def finish(self, request):
        self.agent.release_xfer_handle(request)


class Mooncake:
    """Mooncake's Transfer Engine over TCP, its peer-to-peer handshake."""

    def __init__(self, _name):
        from mooncake.engine import TransferEngine
        self.memory = numpy.full(MEMORY_BYTES, 1, dtype=numpy.uint8)
        self.engine = TransferEngine()
        if self.engine.initialize("127.0.0.1", "P2PHANDSHAKE", "tcp", "") != 0:
            sys.exit("mooncake: the engine does not start")
        if self.engine.register_memory(self.memory.ctypes.data, MEMORY_BYTES) != 0:
            sys.exit("mooncake: no memory")

    def hello(self):
        return {"address": self.memory.ctypes.data,
                "segment": f"127.0.0.1:{self.engine.get_rpc_port()}"}

    def meet(self, hello):
        self.segment = hello["segment"]
        self.address = hello["address"]

    def prepare(self, block, count):
        mine = self.memory.ctypes.data
        return ([mine + i * block for i in range(count)],
                [self.address + i * block for i in range(count)], [block] * count)

    def run(self, request):
        if self.engine.batch_transfer_sync_write(self.segment, *request) != 0:
            sys.exit("mooncake: a transfer failed")

    def finish(self, _request):
        pass


def main():
    # Libraries print: the protocol gets a descriptor of its own.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    kinds = {"nixl": Nixl, "mooncake": Mooncake}
    engine = kinds[sys.argv[1]](f"{sys.argv[1]}-{os.getpid()}")
    print(json.dumps({"hello": engine.hello()}), file=out, flush=True)
    for line in sys.stdin:
        task = json.loads(line)
        if "meet" in task:
            engine.meet(task["meet"])
            print(json.dumps({"met": True}), file=out, flush=True)
            continue
        request = engine.prepare(task["block"], task["count"])
        times = []
        for turn in range(WARMUP_ROUNDS + task["rounds"]):
            start = time.perf_counter()
            engine.run(request)
            if turn >= WARMUP_ROUNDS:
                times.append((time.perf_counter() - start) * 1e6)
        engine.finish(request)
        print(json.dumps({"us": times}), file=out, flush=True)
    os._exit(0)  # without the engines' own ends, which may crash


if __name__ == "__main__":
    main()

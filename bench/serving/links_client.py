# SPDX-License-Identifier: Apache-2.0
"""Sends requests at given times and says when their first tokens came.

Standard input: {"port", "requests": [{"at_s", "body"}]}; standard output: a line of JSON a request, in
their order: {"ttft_s", "total_s", "timings"} or {"error"}. Times count from when a request was due, so
that a client that falls behind does not flatter the server. {"port", "texts"}: a line a text, its
tokens.
"""

import http.client
import json
import sys
import threading
import time

PATIENCE_S = 240


def read_stream(response, due_s, outcome):
    for line in response:
        line = line.strip()
        if not line.startswith(b"data: "):
            continue
        outcome.setdefault("ttft_s", time.monotonic() - due_s)
        data = line[len(b"data: "):]
        if data == b"[DONE]":
            outcome["total_s"] = time.monotonic() - due_s
            return
        piece = json.loads(data)
        if "error" in piece:
            raise RuntimeError(piece["error"]["message"])
        outcome.update({name: piece[name] for name in ("timings",) if name in piece})
    raise RuntimeError("the answer ended early")


def ask(port, body, due_s, outcome):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("POST", "/v1/completions", json.dumps(body),
                           {"Content-Type": "application/json"})
        response = connection.getresponse()
        if response.status != 200:
            raise RuntimeError(f"status {response.status}: {response.read(500).decode()}")
        read_stream(response, due_s, outcome)
    except (OSError, RuntimeError, ValueError, http.client.HTTPException) as error:
        outcome.clear()
        outcome["error"] = f"{type(error).__name__}: {error}"
    finally:
        connection.close()


def tokenize(port, texts):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    for text in texts:
        body = json.dumps({"prompt": text, "add_special_tokens": False})
        connection.request("POST", "/tokenize", body, {"Content-Type": "application/json"})
        print(json.dumps(json.load(connection.getresponse())["tokens"]))


def main():
    job = json.load(sys.stdin)
    if "texts" in job:
        return tokenize(job["port"], job["texts"])
    outcomes = [{} for _ in job["requests"]]
    threads = []
    start_s = time.monotonic() + 0.02
    for request, outcome in zip(job["requests"], outcomes):
        due_s = start_s + request["at_s"]
        time.sleep(max(0.0, due_s - time.monotonic()))
        threads.append(threading.Thread(target=ask,
                                        args=(job["port"], request["body"], due_s, outcome)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    for outcome in outcomes:
        print(json.dumps(outcome))


try:
    main()
except OSError as error:
    sys.exit(f"{type(error).__name__}: {error}")

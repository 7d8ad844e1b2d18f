# SPDX-License-Identifier: Apache-2.0
"""Outcomes on disk, a line of JSON a request, so that a run that was stopped goes on."""

import json

from links_plan import Wrong

KEY = ("condition", "method", "round")


class Outcomes:
    def __init__(self, path, settings):
        self.path = path
        self.settings = settings  # what outcomes of one run must have in common
        self.rows = []
        self.request_rate = None
        if path.exists():
            self.read()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.add_lines([{"settings": settings}])

    def read(self):
        head, *lines = self.path.read_text().splitlines() or ["{}"]
        before = json.loads(head).get("settings")
        if before != self.settings:
            differ = [name for name in self.settings
                      if not before or before.get(name) != self.settings[name]]
            raise Wrong(f"{self.path} is of a run with another choice of {', '.join(differ)}: name "
                        "another folder with --out, or begin anew with --fresh.")
        for line in lines:
            try:
                row = json.loads(line)
            except ValueError:
                continue  # cut off when the run was
            if "request_rate" in row:
                self.request_rate = row["request_rate"]
            else:
                self.rows.append(row)

    def add_lines(self, rows):
        with open(self.path, "a") as file:
            file.write("".join(json.dumps(row) + "\n" for row in rows))

    def keep_rate(self, requests_per_s):
        self.request_rate = requests_per_s
        self.add_lines([{"request_rate": requests_per_s}])

    def add_block(self, condition, method, turn, rows):
        """All of a block at once: half of one is never kept."""
        rows = [dict(zip(KEY, (condition.name, method.name, turn)), index=index, **row)
                for index, row in enumerate(rows)]
        self.rows += rows
        self.add_lines(rows)

    def has(self, condition, method, turn):
        wanted = (condition.name, method.name, turn)
        return any(tuple(row[name] for name in KEY) == wanted for row in self.rows)

    def means(self, condition):
        """Seconds to the first token, by method's name."""
        times = {}
        for row in self.rows:
            if row["condition"] == condition.name and "ttft_s" in row:
                times.setdefault(row["method"], []).append(row["ttft_s"])
        return {name: sum(values) / len(values) for name, values in times.items()}

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tables and a plot of transfer_peers.py's JSON; alone: transfer_report.py FOLDER."""

import json
import os
import statistics
import sys

INCLUDES = """\
What a figure includes. sluice: posting, the writes, the flush, until the writer knows that all is
visible at the receiver; its processes sleep when there is nothing to do, as workers do. "spinning":
neither does, as in all the others. "told": also the message to the receiver and its handling there. ucx_perftest: puts at one
place, one after the other, until the last one's end; put_lat is half of a ping-pong seen in memory. nixl: a prepared request posted from Python until it is DONE; memory of its own, so
shared memory means process_vm_writev (cma). mooncake: its batch call from Python until it returns;
its TCP transport always copies through sockets. Blocks of a batch lie at places of their own."""


def congestion_control():
    try:
        with open("/proc/sys/net/ipv4/tcp_congestion_control") as file:
            return file.read().strip()
    except OSError:
        return "unknown"


def size(number):
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if number >= unit:
            return f"{number / unit:.4g} {name}"
    return f"{number} B"


def find(rows, **wanted):
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def paired(ours, theirs):
    return statistics.median(a / b for a, b in
                             zip(ours["turns_gb_per_s"], theirs["turns_gb_per_s"]))


def target(path, kind, peer, block):
    """The least ratio wanted; None where there is none."""
    if peer == "ucx_perftest" and kind == "stream":
        return 0.95 if block >= 1 << 20 else None
    if peer == "ucx_perftest" and kind.startswith("request"):
        return 0.7
    return {"nixl": 1.0, "mooncake": 2.0}.get(peer)


def ratios(rows):
    """Ours over each peer's, goodput, wherever both measured the same."""
    found = []
    for row in rows:
        if row["peer"].startswith("sluice"):
            continue
        same = ["path", "kind", "streams", "direction"]
        if not row["kind"].startswith("request"):
            same += ["block_bytes", "count"]
        ours = find(rows, peer="sluice", **{name: row[name] for name in same})
        if not ours:
            continue
        found.append({**{name: row[name] for name in
                         ["path", "kind", "peer", "block_bytes", "count", "streams"]},
                      "ratio": paired(ours[0], row),
                      "best_ratio": ours[0]["best_gb_per_s"] / row["best_gb_per_s"],
                      "target": target(row["path"], row["kind"], row["peer"],
                                       row["block_bytes"]) or 0})
    return found


def figure(value):
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


class Table:
    def __init__(self, title, head):
        self.title = title
        self.lines = [head]

    def add(self, *cells):
        self.lines.append([str(cell) for cell in cells])

    def text(self):
        widths = [max(len(line[i]) for line in self.lines) for i in range(len(self.lines[0]))]
        rows = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths))
                for line in self.lines]
        return "\n".join([self.title] + rows)

    def markdown(self):
        rows = ["| " + " | ".join(line) + " |" for line in self.lines]
        rows.insert(1, "|" + "---:|" * len(self.lines[0]))
        return "\n".join([f"**{self.title}**", ""] + rows)


def ratio_cell(report, **wanted):
    for ratio in find(report["ratios"], **wanted):
        low = ratio["ratio"] < ratio["target"]
        return (f"{ratio['ratio']:.2f} [{ratio['best_ratio']:.2f}]"
                + (f" < {ratio['target']:g}" if low else ""))
    return "-"


def sizes_table(report, path, kind, count, title, unit="gb_per_s"):
    rows = find(report["rows"], path=path, kind=kind)
    if count is not None:
        rows = find(rows, count=count)
    peers = list(dict.fromkeys(row["peer"] for row in rows))
    others = [peer for peer in peers if not peer.startswith("sluice")]
    table = Table(title, ["block"] + peers + [f"{peer} / sluice, time" if kind == "latency" else f"sluice / {peer}"
                                                for peer in others])
    for block in sorted({row["block_bytes"] for row in rows}):
        cells = []
        for peer in peers:
            found = find(rows, block_bytes=block, peer=peer)
            cells.append(figure(found[0][unit]) if found else "-")
        wanted = {"path": path, "kind": kind, "block_bytes": block}
        if count is not None:
            wanted["count"] = count
        table.add(size(block), *cells,
                  *[ratio_cell(report, peer=peer, **wanted) for peer in others])
    return table


def request_table(report, path):
    table = Table(f"{path}: KV of a 1,000-token prompt, 30 pieces of 768 KiB",
                  ["", "GB/s", "ms", "sluice / it"])
    for kind, label in (("request", ", places of their own"), ("request, told", ", told"),
                        ("request, one place", ", one place")):
        for row in find(report["rows"], path=path, kind=kind):
            ratio = ratio_cell(report, path=path, kind=kind, peer=row["peer"])
            table.add(row["peer"] + label, figure(row["gb_per_s"]),
                      figure(row["us"] / 1e3) if row["us"] else "-",
                      "-" if row["peer"] == "sluice" else ratio)
    return table


def streams_table(report, path):
    table = Table(f"{path}: writers at once, 16 blocks of 1 MiB each at one place, GB/s in sum",
                  ["writers", "sluice one way", "sluice both ways", "pairs of ucx_perftest",
                   "sluice one way / pairs"])
    rows = find(report["rows"], path=path, kind="streams")
    for streams in sorted({row["streams"] for row in rows}):
        def cell(peer, direction):
            found = find(rows, streams=streams, peer=peer, direction=direction)
            return figure(found[0]["gb_per_s"]) if found else "-"
        table.add(streams, cell("sluice", "one"), cell("sluice", "both"),
                  cell("ucx_perftest", "one"),
                  ratio_cell(report, path=path, kind="streams", peer="ucx_perftest",
                             streams=streams))
    return table


def tables(report):
    found = []
    for path, lanes in report["lanes"].items():
        over = f"{path} ({', '.join(lanes)})"
        found.append(sizes_table(report, path, "stream", None,
                                 f"{over}: goodput at one place beside ucp_put_bw, GB/s"))
        counts = sorted({row["count"] for row in find(report["rows"], path=path, kind="batch")})
        for count in counts:
            blocks = "one block" if count == 1 else f"{count} blocks"
            found.append(sizes_table(report, path, "batch", count,
                                     f"{path}: {blocks} a batch, GB/s"))
        found.append(sizes_table(report, path, "latency", None,
                                 f"{path}: one block until visible beside ucp_put_lat, us", "us"))
        found.append(request_table(report, path))
        found.append(streams_table(report, path))
    return found


def notes(report):
    machine = report["machine"]
    lines = [f"Machine: {machine['cores']} cores, load {machine['load_average']:.1f}, TCP congestion "
             f"control {machine['tcp_congestion_control']}; medians of {report['turns']} turns; "
             "a ratio is the median of each turn's, in brackets that of the best rounds of all turns, "
             "which other load disturbs least (ucx_perftest: of its best turns); < says below target."]
    return lines + [f"Left out: {note}" for note in report["notes"]] + [INCLUDES]


COLORS = {"sluice": "#0b6e99", "ucx_perftest": "#444444", "nixl": "#5f9a1f",
          "sluice, spinning": "#7fb8cf", "mooncake": "#c7642b"}


def plot(report, file):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    paths = list(report["lanes"])
    names = {"shm": "shared memory", "tcp": "TCP, loopback"}
    columns = [("stream", None, "gb_per_s", "one place, one after the other\nbeside ucp_put_bw"),
               ("batch", 30, "gb_per_s", "30 blocks a batch,\nplaces of their own"),
               ("latency", 1, "us", "one block until visible\nbeside ucp_put_lat, NIXL, Mooncake")]
    figure_, axes = pyplot.subplots(len(paths), 3, figsize=(13, 4.1 * len(paths)), squeeze=False)
    for row, path in zip(axes, paths):
        for axis, (kind, count, unit, title) in zip(row, columns):
            rows = find(report["rows"], path=path, kind=kind)
            if kind == "latency":  # engines have no ping-pong: their batch of one
                rows = rows + [one for one in find(report["rows"], path=path, kind="batch", count=1)
                               if not one["peer"].startswith("sluice")]
            elif count is not None:
                rows = find(rows, count=count)
            for peer in dict.fromkeys(one["peer"] for one in rows):
                points = sorted((one["block_bytes"], one[unit]) for one in find(rows, peer=peer))
                axis.plot(*zip(*points), marker="o", markersize=4, label=peer,
                          color=COLORS.get(peer), linewidth=2.2 if peer == "sluice" else 1.4,
                          zorder=3 if peer == "sluice" else 2)
            axis.set_xscale("log", base=2)
            axis.set_yscale("log")
            ticks = sorted({one["block_bytes"] for one in rows})
            axis.set_xticks(ticks, [size(tick) for tick in ticks], rotation=35, ha="right",
                            fontsize=8)
            axis.minorticks_off()
            axis.yaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
            axis.yaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
            axis.set_ylabel("GB/s" if unit == "gb_per_s" else "microseconds", fontsize=9)
            axis.set_title(f"{names[path]}: {title}", fontsize=9.5)
            axis.grid(True, alpha=0.25)
            axis.spines[["top", "right"]].set_visible(False)
            axis.legend(frameon=False, fontsize=8)
    figure_.tight_layout()
    figure_.savefig(file, dpi=130)


def write(report, folder):
    """transfer.txt, transfer.md and, with matplotlib, transfer.png; the text also to the error
    stream."""
    found = tables(report)
    text = "\n\n".join([table.text() for table in found] + notes(report)) + "\n"
    print(text, file=sys.stderr)
    with open(os.path.join(folder, "transfer.txt"), "w") as file:
        file.write(text)
    with open(os.path.join(folder, "transfer.md"), "w") as file:
        file.write("\n\n".join([table.markdown() for table in found] + notes(report)) + "\n")
    try:
        plot(report, os.path.join(folder, "transfer.png"))
    except ImportError:
        print("No plot: matplotlib is not installed (launch/setup --dev).", file=sys.stderr)


if __name__ == "__main__":
    with open(os.path.join(sys.argv[1], "transfer.json")) as source:
        write(json.load(source), sys.argv[1])

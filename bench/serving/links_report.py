# SPDX-License-Identifier: Apache-2.0
"""links.json, links.md and its pictures, of what has been measured so far."""

import json
import os
import subprocess
import sys

from links_chart import Lines
from links_levels import losses
from links_plan import LINE
from links_summary import OURS, RIVAL, RIVAL_WITH_FLOOR, summarize

LINE_BITS_PER_S = 10e9  # where the picture has the link without a limit

READING = """\
Mean and p99 are of the time from when a request was due until its client had the first token. The best
fixed level is the one with the least mean (p99) among those whose loss the quality floor of {floor:g}
nats a token allows; it is known only afterwards. Intervals hold 90 % of resamples of the requests.
Loss: KL divergence from the full cache along the answer, nats a token, of the levels that were sent, by
the level table. A p99 of fewer than 100 requests is the slowest of them. Levels far slower than the
fastest one have fewer turns."""


def figure(value, digits=3):
    return "–" if value is None else f"{value:.{digits}g}"


def seconds(value):
    return "–" if value is None else f"{value:.2f}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def with_interval(one):
    return "–" if one is None else f"{one['ratio']:.2f} [{one['low']:.2f}, {one['high']:.2f}]"


def times_table(conditions, methods, cells, name):
    rows = []
    least = {condition.name: min((cell[name] for cell in cells[condition.name].values()
                                  if name in cell), default=None) for condition in conditions}
    for method in methods:
        row = [method.name]
        for condition in conditions:
            value = cells[condition.name].get(method.name, {}).get(name)
            shown = seconds(value)
            row.append(f"**{shown}**" if value is not None and value == least[condition.name]
                       else shown)
        rows.append(row)
    return table(["seconds"] + [condition.name for condition in conditions], rows)


def verdict_table(summary):
    rows = []
    for one in summary["verdicts"]:
        cells = summary["cells"][one["condition"]]
        ours = cells[OURS]
        error = ours.get("prediction_error")
        rows.append([one["condition"], one.get("best", "–"), with_interval(one.get("to_best")),
                     seconds(one.get("p99_to_best")), with_interval(one.get("raw_to_ours")),
                     with_interval(one.get("rival_to_ours")),
                     with_interval(one.get("rival_with_floor_to_ours")),
                     " / ".join(figure(cells.get(name, {}).get("kl"), 2)
                                for name in (OURS, RIVAL, RIVAL_WITH_FLOOR)),
                     ", ".join(f"{name} {count:g}" for name, count in ours["levels"].items()),
                     "–" if error is None else f"{100 * error:.0f} %"])
    return table(["condition", "best fixed", f"{OURS} / best", "p99 / best p99", f"raw / {OURS}",
                  f"{RIVAL} / {OURS}", f"{RIVAL_WITH_FLOOR} / {OURS}", "loss of these three",
                  "requests by level",
                  "prediction error"], rows)


def cost_table(conditions, methods, cells):
    rows = []
    for method in methods:
        own = [cells[condition.name][method.name] for condition in conditions
               if "mean_s" in cells[condition.name].get(method.name, {})]
        if not own:
            continue
        count = sum(cell["requests"] for cell in own)
        average = {name: sum(cell[name] * cell["requests"] for cell in own) / count
                   for name in ("wire_bytes", "queue_s", "prefill_s", "encode_exposed_s", "wire_s",
                                "decode_s") if all(cell[name] is not None for cell in own)}
        losses_known = [cell["kl"] for cell in own if cell["kl"] is not None]
        rows.append([method.name, str(count), str(sum(cell["failed"] for cell in own)),
                     f"{average.get('wire_bytes', 0) / 1e6:.2f}",
                     figure(max(losses_known), 2) if losses_known else "–"]
                    + [seconds(average.get(name)) for name in
                       ("queue_s", "prefill_s", "encode_exposed_s", "wire_s", "decode_s")])
    return table(["all conditions", "requests", "failed", "MB a request", "greatest loss", "queue s",
                  "prefill s", "encode after it s", "wire after it s", "decode s"], rows)


def pictures(conditions, methods, cells):
    """File name -> title and SVG."""
    plain = [condition for condition in conditions if condition.is_plain]
    places = {condition.name: condition.bits_per_s or LINE_BITS_PER_S for condition in plain}
    ticks = [(places[condition.name],
              "no limit" if condition.rates[0] == LINE else condition.rates[0]) for condition in plain]
    found = {}
    for name, title, y_title, key in (
            ("links-mean.svg", "Time to first token against the link's rate", "mean, seconds", "mean_s"),
            ("links-p99.svg", "Slowest time to first token against the link's rate", "p99, seconds",
             "p99_s"),
            ("links-loss.svg", "What was lost of the answer", "KL, nats a token", "kl")):
        if len(ticks) < 2:
            continue
        chart = Lines(title, "rate of the link", y_title, ticks)
        for method in methods:
            points = [(places[condition.name], cells[condition.name].get(method.name, {}).get(key))
                      for condition in plain]
            if key != "kl" or not method.is_fixed:
                chart.add(method.name, points, method.name == OURS)
        svg = chart.svg()
        if svg:
            found[name] = (title, svg)
    return found


def commit():
    done = subprocess.run(["git", "-C", os.path.dirname(os.path.abspath(__file__)), "rev-parse",
                           "--short", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def processor():
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return f"{os.cpu_count()} cores, {names[0] if names else 'unknown'}"


def markdown(arguments, conditions, methods, summary, drawn, outcomes):
    cells = summary["cells"]
    rate = outcomes.request_rate
    parts = ["# Time to first token on shaped links",
             f"Made by `bench/serving/links`. {processor()}; model {arguments.model}; prompts of "
             f"{arguments.tokens[0]} to {arguments.tokens[1]} tokens, "
             + (f"one every {1 / rate:.2f} s; " if rate else "")
             + f"objective {arguments.ttft}, of CacheGen's rule {arguments.cachegen_ttft}.",
             READING.format(floor=arguments.quality_floor)]
    parts += [f"![{title}]({name})" for name, (title, _) in drawn.items()]
    if summary["verdicts"]:
        parts += [f"## {OURS} beside the best fixed level", verdict_table(summary)]
    if summary["prediction_error"] is not None:
        parts.append(f"The time to first token was predicted to {100 * summary['prediction_error']:.0f} "
                     "% (the median of the conditions' medians of the relative error).")
    if summary["mix"]:
        parts.append(f"Over the mix of all conditions, mean time by that of {OURS} (geometric mean): "
                     + ", ".join(f"{name} {value:.2f}" for name, value in summary["mix"].items()
                                 if name != OURS) + ".")
    parts += ["## Mean", times_table(conditions, methods, cells, "mean_s"),
              "## p99", times_table(conditions, methods, cells, "p99_s"),
              "## Where it goes", cost_table(conditions, methods, cells)]
    return "\n\n".join(parts)


def write_report(arguments, conditions, methods, outcomes):
    summary = summarize(conditions, methods, outcomes.rows, losses(arguments),
                        arguments.quality_floor)
    measured = [condition for condition in conditions if summary["cells"][condition.name]]
    drawn = pictures(measured, methods, summary["cells"])
    for name, (_, svg) in drawn.items():
        (arguments.out / name).write_text(svg)
    page = markdown(arguments, measured, methods, summary, drawn, outcomes)
    (arguments.out / "links.md").write_text(page)
    result = {"benchmark": "serving/links", "commit": commit(), "machine": processor(),
              "settings": outcomes.settings, "request_rate": outcomes.request_rate, **summary}
    (arguments.out / "links.json").write_text(json.dumps(result, indent=1) + "\n")
    print(page, file=sys.stderr)
    print(arguments.out / "links.json")

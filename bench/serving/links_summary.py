# SPDX-License-Identifier: Apache-2.0
"""From outcomes to figures: by condition and method, and what our scheduler is compared with."""

import collections
import math
import random
import re
import statistics

from links_plan import CHOOSERS

OURS = CHOOSERS["link_aware"]
RIVAL = CHOOSERS["cachegen"]
RIVAL_WITH_FLOOR = CHOOSERS["cachegen_floor"]
PARTS = ("queue_us", "prefill_us", "encode_exposed_us", "wire_us", "decode_us")
RESAMPLES = 1000


def rank(values, share):
    """The value that this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def level_shares(timings):
    """Pipeline -> share of the layers that it carried."""
    parts = re.findall(r"([^\s,]+) ([\d.]+)", timings.get("levels", ""))
    total = sum(float(layers) for _, layers in parts)
    if total == 0:
        return {timings.get("pipeline", ""): 1.0}
    shares = collections.Counter()
    for pipeline, layers in parts:
        shares[pipeline] += float(layers) / total
    return dict(shares)


def loss_of(timings, losses):
    shares = level_shares(timings)
    if any(pipeline not in losses for pipeline in shares):
        return None
    return sum(share * losses[pipeline] for pipeline, share in shares.items())


def mean(values):
    values = [value for value in values if value is not None]
    return statistics.fmean(values) if values else None


def summary_of(rows, losses):
    good = [row for row in rows if "ttft_s" in row]
    timings = [row.get("timings", {}) for row in good]
    times = [row["ttft_s"] for row in good]
    levels = collections.Counter()
    for one in timings:
        levels.update(level_shares(one))
    errors = [one["predicted_us"] / one["first_token_us"] - 1 for one in timings
              if one.get("predicted_us") and one.get("first_token_us")]
    result = {"requests": len(rows), "failed": len(rows) - len(good),
              "levels": {name: round(count, 2) for name, count in levels.most_common()},
              "kl": mean(loss_of(one, losses) for one in timings),
              "wire_bytes": mean(one.get("kv_bytes_wire") for one in timings),
              "times_s": times,
              **{part[:-3] + "_s": mean(one.get(part, 0) / 1e6 for one in timings)
                 for part in PARTS}}
    if times:
        result.update(mean_s=statistics.fmean(times), p50_s=rank(times, 0.5), p99_s=rank(times, 0.99))
    if errors:
        result.update(predictions=len(errors),
                      prediction_error=statistics.median(abs(error) for error in errors),
                      prediction_error_p90=rank([abs(error) for error in errors], 0.9),
                      prediction_bias=statistics.median(errors))
    return result


def ratio(above, below):
    """Of means, with the interval that 90 % of resamples of the requests stay within."""
    draw = random.Random(1)
    found = sorted(statistics.fmean(draw.choices(above, k=len(above)))
                   / statistics.fmean(draw.choices(below, k=len(below)))
                   for _ in range(RESAMPLES))
    return {"ratio": statistics.fmean(above) / statistics.fmean(below),
            "low": found[RESAMPLES // 20], "high": found[-RESAMPLES // 20]}


def best_fixed(methods, cells, figure, floor):
    """The fixed level with the least of that, none whose loss is over the floor."""
    found = [method.name for method in methods
             if method.is_fixed and figure in cells.get(method.name, {})
             and (cells[method.name]["kl"] is None or cells[method.name]["kl"] <= floor)]
    return min(found, key=lambda name: cells[name][figure], default=None)


def verdict(condition, methods, cells, floor):
    """What our scheduler did in a condition, beside others; None: it was not there."""
    if "mean_s" not in cells.get(OURS, {}):
        return None
    ours = cells[OURS]
    result = {"condition": condition.name}
    best = best_fixed(methods, cells, "mean_s", floor)
    if best:
        result.update(best=best, to_best=ratio(ours["times_s"], cells[best]["times_s"]))
        result["best_p99"] = best_fixed(methods, cells, "p99_s", floor)
        result["p99_to_best"] = ours["p99_s"] / cells[result["best_p99"]]["p99_s"]
    for name, key in (("raw", "raw_to_ours"), (RIVAL, "rival_to_ours"),
                      (RIVAL_WITH_FLOOR, "rival_with_floor_to_ours")):
        if "mean_s" in cells.get(name, {}):
            result[key] = ratio(cells[name]["times_s"], ours["times_s"])
    return result


def mix(conditions, methods, cells):
    """Geometric mean over conditions of a method's mean time by that of ours; as far as both were
    measured in all."""
    result = {}
    for method in methods:
        pairs = [(cells[c.name].get(method.name, {}), cells[c.name].get(OURS, {}))
                 for c in conditions]
        if pairs and all("mean_s" in theirs and "mean_s" in ours for theirs, ours in pairs):
            result[method.name] = math.exp(statistics.fmean(
                math.log(theirs["mean_s"] / ours["mean_s"]) for theirs, ours in pairs))
    return result


def summarize(conditions, methods, rows, losses, floor):
    cells = {condition.name: {} for condition in conditions}
    grouped = collections.defaultdict(list)
    for row in rows:
        grouped[row["condition"], row["method"]].append(row)
    for (condition, method), own in grouped.items():
        if condition in cells:
            cells[condition][method] = summary_of(own, losses)
    measured = [condition for condition in conditions if cells[condition.name]]
    verdicts = [verdict(condition, methods, cells[condition.name], floor) for condition in measured]
    errors = [cell for by_method in cells.values() for name, cell in by_method.items()
              if name == OURS and "prediction_error" in cell]
    return {"cells": cells, "verdicts": [one for one in verdicts if one],
            "mix": mix(measured, methods, cells),
            "prediction_error": statistics.median(
                [cell["prediction_error"] for cell in errors]) if errors else None}

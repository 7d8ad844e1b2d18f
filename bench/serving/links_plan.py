# SPDX-License-Identifier: Apache-2.0
"""What links measures: conditions of a link, methods, and the order of both."""

import dataclasses
import re

# What chooses levels by itself -> the method's name. CacheGen's own rule knows no quality floor; with
# ours it has the levels that our scheduler's users would accept.
CHOOSERS = {"link_aware": "link_aware", "cachegen": "cachegen rule",
            "cachegen_floor": "cachegen rule, floor"}
FIXED = "fixed"
LINE = "line"  # no rate limit
CONDITIONS = ("50mbit 100mbit 200mbit 500mbit 1gbit 2.5gbit line step:1gbit:100mbit:1gbit "
              "prefixes:200mbit shared:200mbit bulk:400mbit")
DEFAULT_CHOOSERS = ("link_aware", "cachegen")
GRAMMAR = ("RATE, line, step:RATE:RATE..., prefixes:RATE, shared:RATE or bulk:RATE, where a RATE is "
           "written as 50mbit or 2.5gbit")
UNITS = {"kbit": 1e3, "mbit": 1e6, "gbit": 1e9}


class Wrong(Exception):
    """A sentence for the user."""


@dataclasses.dataclass(frozen=True)
class Condition:
    name: str
    rates: tuple  # of the link, in equal parts of a block's time
    is_shared: bool = False  # two decode workers behind one trunk, which has the rate
    has_bulk: bool = False  # somebody else's transfer through that trunk
    has_prefixes: bool = False  # prompts begin with one of few texts

    @property
    def is_step(self):
        return len(self.rates) > 1

    @property
    def bits_per_s(self):
        """Of one rate that stays; None: there is none."""
        return None if self.is_step or self.rates[0] == LINE else bits_per_s(self.rates[0])

    @property
    def is_plain(self):
        return not (self.is_step or self.is_shared or self.has_prefixes)


@dataclasses.dataclass(frozen=True)
class Method:
    name: str
    cluster: str  # which one serves it: FIXED or a chooser
    pipeline: str = ""  # of a fixed level

    @property
    def is_fixed(self):
        return self.pipeline != ""


def bits_per_s(rate):
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(kbit|mbit|gbit)", rate)
    if not found or float(found[1]) <= 0:
        raise Wrong(f"There is no rate \"{rate}\": a rate is written as 50mbit or 2.5gbit.")
    return float(found[1]) * UNITS[found[2]]


def parse_condition(text):
    kind, *rates = text.split(":")
    if not rates:
        kind, rates = "", [text]
    if kind not in ("", "step", "prefixes", "shared", "bulk") or (kind != "step" and len(rates) > 1):
        raise Wrong(f"There is no condition \"{text}\": a condition is {GRAMMAR}.")
    for rate in rates:
        if rate != LINE:
            bits_per_s(rate)
    return Condition(text, tuple(rates), kind in ("shared", "bulk"), kind == "bulk",
                     kind == "prefixes")


def methods_of(levels, choosers):
    fixed = [Method(level, FIXED, level) for level in levels]
    return fixed + [Method(CHOOSERS[chooser], chooser) for chooser in choosers]


def in_order(methods, turn):
    """Each turn begins with another method, so that none is always first or last."""
    start = turn * 3 % max(len(methods), 1)
    return methods[start:] + methods[:start]


def contenders(methods, means, limit):
    """Fixed levels that are no slower than `limit` times the fastest one, and all choosers. `means`:
    seconds by method's name, of what was measured; limit 0: all stay."""
    fixed = [means[method.name] for method in methods if method.is_fixed and method.name in means]
    if limit <= 0 or not fixed:
        return methods
    return [method for method in methods
            if not method.is_fixed or means.get(method.name, 0) <= limit * min(fixed)]

# SPDX-License-Identifier: Apache-2.0
"""Level tables: what each policy chooses from, and what each level costs the answer."""

import os
import pathlib
import re
import subprocess
import sys

from links_cluster import Scheduling
from links_plan import FIXED, Wrong

NO_OBJECTIVE = "1h"
CACHEGEN = ("cachegen_finer", "cachegen_fine", "cachegen")


def cache_folder():
    """As launch/ has it."""
    fallback = os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")
    return pathlib.Path(os.environ.get("SLUICE_CACHE", pathlib.Path(fallback) / "sluice"))


def own_table(arguments):
    """The one that the scheduler would take; None: there is none."""
    if arguments.table:
        if not arguments.table.exists():
            raise Wrong(f"There is no level table at {arguments.table}.")
        return arguments.table.resolve()
    found = sorted((cache_folder() / "profiles").glob("*.levels.yaml"))
    if len(found) > 1:
        raise Wrong(f"There are {len(found)} level tables in {found[0].parent}: name one with "
                    "--table.")
    return found[0] if found else None


def cachegen_table(arguments):
    return (arguments.out / "cachegen.levels.yaml").resolve()


def measure_cachegen(arguments):
    """Its levels have a table of their own, made once."""
    path = cachegen_table(arguments)
    if path.exists():
        return path
    print("measuring what CacheGen's levels cost, once", file=sys.stderr)
    command = [str(arguments.program), "profile", arguments.model, "--levels", *CACHEGEN,
               "--output", str(path)]
    if subprocess.run(command, stdout=subprocess.DEVNULL).returncode != 0:
        raise Wrong("CacheGen's levels could not be measured: see above; --choosers link_aware "
                    "leaves its rule out.")
    return path


def scheduling(arguments):
    """FIXED or chooser -> how its cluster schedules."""
    found = {FIXED: Scheduling("least_loaded", NO_OBJECTIVE)}
    if "link_aware" in arguments.choosers:
        table = own_table(arguments)
        if table is None:
            raise Wrong("There is no level table: run launch/calibrate first.")
        found["link_aware"] = Scheduling("link_aware", arguments.ttft, arguments.quality_floor, table,
                                         adapts=True)
    for chooser in ("cachegen", "cachegen_floor"):
        if chooser in arguments.choosers:
            found[chooser] = Scheduling("cachegen", arguments.cachegen_ttft,
                                        levels=measure_cachegen(arguments))
    if "cachegen_floor" in found:
        found["cachegen_floor"].quality_floor = arguments.quality_floor
    return found


def read_losses(path):
    """KL by pipeline, of a table as the program writes it."""
    losses = {}
    pipeline = None
    for line in path.read_text().splitlines():
        found = re.match(r"\s*(?:- )?(\w+): \"?([^\"]*)\"?\s*$", line)
        if found and found[1] == "pipeline":
            pipeline = found[2]
        elif found and found[1] == "kl" and pipeline:
            losses[pipeline] = float(found[2])
    return losses


def losses(arguments):
    """KL by pipeline, nats a token, as far as it was measured."""
    known = {"raw": 0.0}
    for path in (cachegen_table(arguments), own_table(arguments)):
        if path and path.exists():
            known.update(read_losses(path))
    return known

# SPDX-License-Identifier: Apache-2.0
"""Level tables: what each policy chooses from, and what each level costs the answer."""

import pathlib
import re
import shutil
import subprocess
import sys

from links_cluster import Scheduling
from links_plan import FIXED, Wrong

OWN = "own.levels.yaml"  # in the output folder
CACHEGENS = "cachegen.levels.yaml"
NO_OBJECTIVE = "1h"
CACHEGEN = ("cachegen_finer", "cachegen_fine", "cachegen")


def own_table(arguments):
    """A copy of the one that the scheduler would take; without one it is measured first."""
    source = arguments.table
    if source is None:
        done = subprocess.run([str(arguments.program), "profile", arguments.model, "--if-missing"],
                              stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise Wrong("There is no level table and none could be measured: see above.")
        source = pathlib.Path(done.stdout.splitlines()[-1].removesuffix(": there already"))
    if not source.exists():
        raise Wrong(f"There is no level table at {source}.")
    path = (arguments.out / OWN).resolve()
    shutil.copyfile(source, path)
    return path


def measure_cachegen(arguments):
    """Its levels have a table of their own, made once."""
    path = (arguments.out / CACHEGENS).resolve()
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
        found["link_aware"] = Scheduling("link_aware", arguments.ttft, arguments.quality_floor,
                                         own_table(arguments), adapts=True)
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
    for path in (arguments.out / CACHEGENS, arguments.out / OWN):
        if path.exists():
            known.update(read_losses(path))
    return known

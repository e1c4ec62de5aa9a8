"""All runs on all kernels: one after the other, what is already there is not run again."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from .build import built_files
from .errors import LabError
from .initramfs import recipe_files
from .machine import boot
from .paths import cache
from .plan import Run, chosen
from .ready import Ready, prepare
from .say import say
from .store import is_done, recipe_digest, store


def capture(names: Sequence[str], patterns: Sequence[str], out: Path, *, offline: bool, again: bool) -> list[str]:
    """Run everything asked for and write `out`/RELEASE/RUN; return a sentence for each run that failed."""
    failures: list[str] = []
    ready: dict[str, Ready] = {}
    built: dict[str, dict[str, bytes]] = {}
    for name in names:
        if not chosen(name, patterns):
            raise LabError(f"no run of runs.toml is meant for kernel {name} and matches {' '.join(patterns)}")
        ready[name] = prepare(name, offline=offline)
        built[name] = recipe_files() | built_files(ready[name])
    todo = [(ready[name], run) for name in names for run in chosen(name, patterns)]
    for number, (kernel, run) in enumerate(todo, 1):
        title = f"[{number}/{len(todo)}] {kernel.release} {run.name}"
        try:
            _one(kernel, run, dict(built[kernel.name]), out / kernel.release / run.name, title, again=again)
        except LabError as error:
            failures.append(f"{kernel.release} {run.name}: {error}")
            say(f"{title}: failed: {error}")
    return failures


def _one(ready: Ready, run: Run, files: dict[str, bytes], folder: Path, title: str, *, again: bool) -> None:
    recipe = recipe_digest(run, files, ready)
    if is_done(folder, recipe) and not again:
        say(f"{title}: already there")
        return
    say(f"{title}: {run.question}")
    scratch = cache() / "runs" / f"{ready.release}-{run.name}"
    files["lab/run.env"] = run.environment()
    outcome = boot(ready.image, ready.base, files, run.shape, scratch, name=run.name)
    if outcome.end != "poweroff" and not (run.may_die and outcome.flushes):
        raise LabError(f"the machine ended by {outcome.end} after {outcome.seconds:.0f} s; see {scratch}/serial.txt")
    size = store(run, ready, outcome, files, folder, recipe)
    shutil.rmtree(scratch)
    say(f"{title}: {outcome.end} after {outcome.seconds:.0f} s, {size / 1000:.0f} kB")

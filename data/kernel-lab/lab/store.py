"""From a finished run to a folder of captures: large files packed, a manifest with every hash."""

from __future__ import annotations

import datetime
import gzip
import hashlib
import json
import re
import shutil
import tomllib
from pathlib import Path

from .errors import LabError
from .machine import Outcome, qemu_version
from .plan import Run
from .ready import Ready
from .tree import digest

PACK_ABOVE = 8_000
"""Files larger than this many bytes are packed with gzip."""
_LEFT_OUT = (".sequence",)


def recipe_digest(run: Run, files: dict[str, bytes], ready: Ready) -> str:
    """Return a hash over all that decides a run: kernel, scripts, modules, program, parameters, machine."""
    sections = {f"lab/sections/{name}.sh" for name in run.sections}
    parts = [data for name, data in sorted(files.items()) if "/sections/" not in name or name in sections]
    kernel = [package.sha256 for package in ready.stock.packages]
    return digest(ready.release, *kernel, repr(run.shape), run.environment(), *parts)


def is_done(folder: Path, recipe: str) -> bool:
    """Return whether a folder holds a finished run of exactly this recipe."""
    manifest = folder / "manifest.toml"
    return manifest.exists() and tomllib.loads(manifest.read_text()).get("recipe") == recipe


def _pack(source: Path, target: Path) -> None:
    data = source.read_bytes()
    if len(data) > PACK_ABOVE and source.suffix != ".gz":
        target = target.with_name(target.name + ".gz")
        data = gzip.compress(data, 9, mtime=0)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)


def store(run: Run, ready: Ready, outcome: Outcome, files: dict[str, bytes], folder: Path, recipe: str) -> int:
    """Copy a run's results to `folder` with their manifest; return how many bytes they take."""
    if not outcome.capture.exists():
        raise LabError(f"{run.name} on {ready.release} sent nothing back; its console is {outcome.folder}/serial.txt")
    fresh = folder.with_name(folder.name + ".new")
    for stale in (fresh, folder):
        if stale.exists():
            shutil.rmtree(stale)
    for source in sorted(p for p in outcome.capture.rglob("*") if p.is_file() and p.name not in _LEFT_OUT):
        if source.stat().st_size:
            _pack(source, fresh / source.relative_to(outcome.capture))
    if "base" in run.sections:
        _pack(ready.config, fresh / "kernel.config")
    if "base" in run.sections or outcome.end != "poweroff":
        _pack(outcome.folder / "serial.txt", fresh / "serial.txt")
    (fresh / "manifest.toml").write_text(_manifest(run, ready, outcome, files, fresh, recipe))
    fresh.rename(folder)
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _manifest(run: Run, ready: Ready, outcome: Outcome, files: dict[str, bytes], folder: Path, recipe: str) -> str:
    now = datetime.datetime.now(datetime.UTC)
    compilers = [p for p in ready.tree.packages if p.name == ready.stock.compiler]
    lines = [
        "# One boot of the kernel lab: what ran, what was injected, what came back. Written by data/kernel-lab.",
        'schema = "kvmlab.capture/1"',
        f"release = {_text(ready.release)}",
        f"run = {_text(run.name)}",
        f"date = {now:%Y-%m-%dT%H:%M:%SZ}",
        f"question = {_text(run.question)}",
        f"injected = {_text(run.injected)}",
        f"recipe = {_text(recipe)}",
        "",
        "[machine]",
        f"emulator = {_text(qemu_version())}",
        f"command = {_text(' '.join(_quoted(word) for word in outcome.command))}",
        f"cpus = {run.shape.cpus}",
        f"memory = {_text(run.shape.memory)}",
        f"sections = [{', '.join(_text(section) for section in run.sections)}]",
        f"end = {_text(outcome.end)}",
        f"wall_seconds = {outcome.seconds:.1f}",
        "",
        "[machine.parameters]",
        *(f"{key} = {_text(value)}" for key, value in run.parameters),
        "",
        "[built]",
        f"compiler = {_text(', '.join(f'{p.name} {p.version}' for p in compilers))}",
    ]
    built = ("lab/klab.ko", "lab/klttm.ko", "bin/kl")
    lines += [f"{_text(Path(name).name)} = {_text(hashlib.sha256(files[name]).hexdigest())}" for name in built]
    for package in sorted(ready.stock.packages, key=lambda p: p.name):
        lines += ["", "[[package]]", f"name = {_text(package.name)}", f"version = {_text(package.version)}"]
        lines += [f"file = {_text(package.file)}", f"sha256 = {_text(package.sha256)}"]
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        data = path.read_bytes()
        lines += ["", "[[file]]", f"path = {_text(path.relative_to(folder).as_posix())}", f"bytes = {len(data)}"]
        lines.append(f"sha256 = {_text(hashlib.sha256(data).hexdigest())}")
    return "\n".join(lines) + "\n"


def _quoted(word: str) -> str:
    return word if re.fullmatch(r"[\w@%+=:,./-]+", word) else f"'{word}'"

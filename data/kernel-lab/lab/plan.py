"""The runs of `runs.toml`: which experiment, on which kernels, in which machine."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import LabError
from .machine import Shape
from .paths import HERE


@dataclass(frozen=True, slots=True)
class Run:
    """One row of the table: one boot."""

    name: str
    kernels: tuple[str, ...]
    sections: tuple[str, ...]
    shape: Shape
    parameters: tuple[tuple[str, str], ...]
    question: str
    injected: str
    may_die: bool

    def on(self, kernel: str) -> bool:
        """Return whether the run is meant for a kernel."""
        return any(fnmatch.fnmatch(kernel, pattern) for pattern in self.kernels)

    def environment(self) -> bytes:
        """Return the file that tells the machine what to do."""
        lines = [f"SECTIONS='{' '.join(self.sections)}'"]
        lines += [f"{key}='{value}'" for key, value in self.parameters]
        return ("\n".join(lines) + "\n").encode()


def _row(rows: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, Any]:
    row = dict(rows[name])
    if "like" in row:
        base = _row(rows, row.pop("like"))
        row["parameters"] = base["parameters"] | row.get("parameters", {})
        row = base | row
    return row


def read_runs(path: Path | None = None) -> list[Run]:
    """Read the table; raise `LabError` when a row names a section or a key that does not exist."""
    path = path or HERE / "runs.toml"
    rows = {row["name"]: row for row in tomllib.loads(path.read_text())["run"]}
    runs = []
    for name in rows:
        row = _row(rows, name)
        shape = Shape(
            cpus=row.pop("cpus"),
            memory=row.pop("memory"),
            limit=row.pop("limit"),
            append=row.pop("append", ""),
            devices=tuple(row.pop("devices", ())),
        )
        for section in row["sections"]:
            if not (HERE / "machine" / "sections" / f"{section}.sh").exists():
                raise LabError(f"run {name} names the section {section}, which machine/sections does not have")
        parameters = tuple(sorted(row.pop("parameters").items()))
        for key, value in parameters:
            if not re.fullmatch(r"[A-Z_]+", key) or "'" in value:
                raise LabError(f"run {name} has a parameter that the machine's shell cannot take: {key}={value!r}")
        kernels, sections = tuple(row.pop("kernels")), tuple(row.pop("sections"))
        may_die = row.pop("may_die", False)
        if unknown := set(row) - {"name", "question", "injected"}:
            raise LabError(f"run {name} has unknown keys: {', '.join(sorted(unknown))}")
        runs.append(Run(name, kernels, sections, shape, parameters, row["question"], row["injected"], may_die))
    return runs


def chosen(kernel: str, patterns: Sequence[str]) -> list[Run]:
    """Return the runs for a kernel whose names match one of the patterns."""
    return [run for run in read_runs() if run.on(kernel) and any(fnmatch.fnmatch(run.name, p) for p in patterns)]

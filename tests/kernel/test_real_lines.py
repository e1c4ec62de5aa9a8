"""Every flags line of the research logs, decoded and compared with the names that the kernel printed beside it."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from kvmlab.errors import UnknownRelease
from kvmlab.kernel.flag_layout import solve_layout
from kvmlab.kernel.page_flags import PageFlags, tables_that_fit

_FLAGS = re.compile(r"flags: ?(0x[0-9a-f]+)\(([^)\n]*)\)")
_RELEASE = re.compile(r"(?:\s|^)([2-7]\.\d+(?:\.\d+)?[-\w.+]*)\s+#\d")
_NARROW = re.compile(r"arm32|m68k|sparc32|mips32|openrisc|ppc32|i686|x86-32|ilp32")


def lines(shared: Path) -> Iterator[tuple[str, str | None, int, set[str], dict[str, int]]]:
    """File, release of the CPU line that follows, word, printed names and printed fields of every flags line."""
    files = [p for p in sorted((shared / "corpora").rglob("*")) if p.suffix in {".log", ".txt"}]
    files += sorted((shared / "captures").glob("*/bad/*.dmesg.txt*"))
    for path in files:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        text = data.decode("utf-8", "replace").splitlines()
        lab = path.parts[-3] if path.parent.name == "bad" else None
        for number, line in enumerate(text):
            for found in _FLAGS.finditer(line):
                parts = [part for part in found[2].split("|") if part]
                if any(part.startswith("__GFP") for part in parts):
                    continue
                after = (_RELEASE.search(later) for later in text[number : number + 80])
                release = lab or next((match[1] for match in after if match), None)
                names = {part for part in parts if "=" not in part and not part.startswith("0x")}
                fields = {name: int(value, 0) for name, _, value in (p.partition("=") for p in parts) if value}
                yield path.name, release, int(found[1], 16), names, fields


def test_every_flags_line_decodes_to_what_its_kernel_printed(
    shared: Path, record_property: Callable[[str, object], None]
) -> None:
    figures: Counter[str] = Counter()
    wrong = []
    for name, release, value, names, fields in lines(shared):
        figures["lines"] += 1
        arch = "arm64" if re.search("arm64|aarch64", name) else "x86_64"
        width = 32 if _NARROW.search(name) and value < 1 << 32 else 64
        if release is None:
            # Without a release only this can be said: some table explains the printed names.
            figures["without release"] += 1
            assert tables_that_fit(value, names, arch=arch, width=width), name
            continue
        try:
            flags = PageFlags.decode(value, release, arch=arch, width=width)
        except UnknownRelease:
            figures["release not covered"] += 1
            continue
        figures["decoded"] += 1
        if set(flags.names) != names:
            wrong.append((name, release, hex(value), names, flags.names))
        if fields:
            solution = solve_layout(value, fields, release, arch=arch, width=width)
            assert solution.layouts, (name, hex(value), fields)
            figures["one layout" if solution.unique else "several layouts"] += 1
            assert all(layout.fields(value) == fields for layout in solution.layouts)
    for key, count in figures.items():
        record_property(key, count)
    assert wrong == []
    assert figures["decoded"] >= 400
    assert figures["one layout"] >= 400


def test_the_lab_kernels_own_configuration_is_found_again(shared: Path) -> None:
    """Debian's 6.12 has CONFIG_NODES_SHIFT=10 and CONFIG_NR_CPUS=8192; the solver finds both in one printed line."""
    folder = shared / "captures" / "6.12.117+deb12-amd64"
    config = gzip.decompress((folder / "kernel.config.gz").read_bytes()).decode()
    assert "CONFIG_NODES_SHIFT=10" in config
    assert "CONFIG_NR_CPUS=8192" in config
    text = (folder / "bad" / "kvmbad_lruoff.dmesg.txt").read_text()
    value, printed = next((int(m[1], 16), m[2]) for m in _FLAGS.finditer(text) if "lastcpupid" in m[2])
    fields = {name: int(v, 0) for name, _, v in (p.partition("=") for p in printed.split("|")) if v}
    solution = solve_layout(value, fields, folder.name)
    assert solution.unique
    assert solution.preferred is not None
    assert (solution.preferred.node_width, solution.preferred.max_cpus) == (10, 8192)

"""The room as a whole: it imports nothing but the standard library, and explains the reported page from end to end."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

import pytest

from kvmlab.kernel.flag_layout import solve_layout
from kvmlab.kernel.kvm_ioctls import decode_ioctl
from kvmlab.kernel.page_flag_aliases import PageKind, expand
from kvmlab.kernel.page_flags import PageFlags
from kvmlab.kernel.page_pointers import hva_of_index, physical_address
from kvmlab.kernel.struct_page import decode_words
from kvmlab.kernel.x86 import syscall_name, syscall_number, syscall_registers
from kvmlab.kernel.zones import zone_name

ROOM = Path(__file__).resolve().parents[2] / "kvmlab" / "kernel"


@pytest.mark.parametrize("path", sorted(ROOM.glob("*.py")), ids=lambda path: path.stem)
def test_imports_only_the_standard_library_and_the_errors(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names = [node.module or ""]
        for name in names:
            if name.startswith("kvmlab"):
                assert name == "kvmlab.errors" or name.startswith("kvmlab.kernel"), name
            else:
                assert name.partition(".")[0] in sys.stdlib_module_names, name


def test_the_reported_page_is_decoded_as_by_hand(shared: Path) -> None:
    """The research folder holds what people decoded by hand; every value is found again."""
    expected = json.loads((shared / "reference" / "seed_expected.json").read_text(encoding="utf-8"))
    fragment, report = expected["reports"]
    dump = report["page_dump"]
    decoded = dump["decoded"]
    release = "6.9.12-ajb-00008-gfcd4b7efbad0"

    value = int(dump["flags"]["value"], 16)
    flags = PageFlags.decode(value, release)
    assert [{"bit": bit, "name": name} for bit, name in flags.bits] == decoded["flag_bits"]
    assert set(flags.names) == set(dump["flags"]["names"])
    meanings = {m.bit: m.name for m in expand(flags, PageKind.ANON, release)}
    assert (meanings[17] == "anon_exclusive") is decoded["anon_exclusive_alias"]

    printed = {k: int(v, 16) if isinstance(v, str) else v for k, v in dump["flags"]["fields"].items()}
    solution = solve_layout(value, printed, release)
    assert solution.unique
    layout = solution.preferred
    assert layout is not None
    assert {key: getattr(layout, key) for key in decoded["field_layout"]} == decoded["field_layout"]
    assert solution.lastcpupid_is_reset is decoded["lastcpupid_is_reset_value"]
    assert layout.max_cpus == decoded["max_cpus_implied"]
    assert zone_name(printed["zone"], "x86_64", release) == decoded["zone_name"]

    page = decode_words([int(word, 16) for word in dump["raw"]["words"]], release)
    words = decoded["words"]
    for field in ("lru.next", "lru.prev"):
        poison = page[field].poison
        assert poison is not None
        assert poison.name == words[field.replace(".", "_")]
    assert (page["_mapcount"].value, page["_refcount"].value) == (words["_mapcount"], words["_refcount"])
    for field in ("flags", "index", "private", "memcg_data"):
        assert page[field].raw == int(words[field], 16)
    assert hva_of_index(page["index"].raw) == int(decoded["index_as_user_va_if_anon"], 16)
    assert physical_address(int(report["header"]["pfn"], 16)) == int(decoded["phys_addr"], 16)

    registers = {name: int(text, 16) for name, text in fragment["registers"]["values"].items()}
    call = syscall_registers(registers)
    wanted = fragment["decoded"]
    assert call.nr == wanted["syscall"]["nr"]
    assert syscall_name(wanted["syscall"]["nr_inferred"]) == wanted["syscall"]["name_inferred"]
    assert syscall_number("ioctl") == wanted["syscall"]["nr_inferred"]
    assert call.arguments["RDI"] == wanted["syscall"]["fd"]
    assert decode_ioctl(call.arguments["RSI"]).name == wanted["syscall"]["cmd_name"]
    assert (call.rax, call.errno) == (wanted["rax_signed"], wanted["rax_errno_name"])
    assert call.return_rip == int(wanted["return_rip_from_rcx"], 16)
    assert call.rflags is not None
    assert list(call.rflags.names) == wanted["rflags_from_r11"]["set"]
    assert call.rflags.reserved_bit1 is wanted["rflags_from_r11"]["reserved_bit1"]

"""The lines that `dump_page()` prints about one struct page, by era, as printed: nothing is decoded here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from kvmlab.report.numbers import decimal_number, hex_number, pointer

_POINTER = r"\((?:null|ptrval|_{4}ptrval_{4})\)|[0-9a-f]{1,16}"
# `key:value` pairs of the page line and of the head line; a blank may stand behind the colon (compound_mapcount).
_PAIR = re.compile(
    rf"(?<![a-z_])(?P<key>[a-z_]{{1,32}}):\s{{0,16}}(?P<value>{_POINTER}|-?\d{{1,20}}|0x[0-9a-f]{{1,16}})(?=\s|$)"
)
_PAGE = re.compile(rf"page:(?P<pointer>{_POINTER})?(?=\s|$)")
_POISONED = re.compile(rf"page:(?P<pointer>{_POINTER})?\s+is uninitialized and poisoned")
_OLD = re.compile(
    r"flags:0x[0-9a-f]{1,16} mapping:[0-9a-f]{8,16}(?: map(?:count|ped):-?\d{1,20}(?: count:-?\d{1,20})?)?$"
)
_HEAD = re.compile(rf"head:(?P<pointer>{_POINTER})? (?=order:)")
_WORDS = re.compile(
    r"(?P<label>raw|head): (?P<words>[0-9a-f]{8}(?: [0-9a-f]{8}){0,15}|[0-9a-f]{16}(?: [0-9a-f]{16}){0,7})\s*"
)
# Where a terminal cut the last word and somebody put a blank between its halves.
_HALVED = re.compile(r"(?P<whole>(?:raw|head):(?: [0-9a-f]{16}){1,7}) (?P<a>[0-9a-f]{1,15}) (?P<b>[0-9a-f]{1,15})\s*")
_BARE_WORDS = re.compile(r"[0-9a-f]{16}(?: [0-9a-f]{16}){0,7}|[0-9a-f]{8}(?: [0-9a-f]{8}){0,15}")
# An archive may have lost the line break behind it.
_REASON = re.compile(r"page dumped because: ?(?P<reason>.*?)(?:\s{1,8}Modules linked in:.*)?$")
_MEMCG = re.compile(r"(?:memcg:|pages's memcg:|page->mem_cgroup:)(?P<value>[0-9a-f]{1,16})\s*")
_ADDRESS_SPACE = re.compile(
    r"(?:mapping->)?a_?ops:(?P<aops>[\w.]+|0x[0-9a-f]+)(?: \[(?P<module>[\w-]+)\])?(?: ino:(?P<ino>[0-9a-f]{1,16}))?"
    r'(?: dentry name(?:\(\?\))?:"?(?P<dentry>.{0,1024}?)"?)?(?: (?:with )?invalid (?:host )?(?:inode|dentry):? ?\S*)?'
)
_OLD_ADDRESS_SPACE = re.compile(
    r'(?P<aops>[A-Za-z_]\w*(?:_aops|_a_ops|_addr_ops\w*|aops\w*|_address_operations))(?: name:"(?P<dentry>.*)")?'
)
_FAILED_ADDRESS_SPACE = re.compile(
    r"failed to read mapping .*|invalid mapping:\S+|mapping->aops:.*|aops:.* with invalid .*"
)
_NOTE = re.compile(r"page does not match folio")
_SIGNED = frozenset({"count", "refcount", "mapcount", "mapped", "order"})
# Names under which older kernels print what is now refcount and mapcount.
_RENAMED = {"count": "refcount", "mapped": "mapcount"}


@dataclass(frozen=True, slots=True)
class PageLine:
    """The first line of a page dump.

    Args:
        era: release in which this form first appeared.
        fields: `pointer`, `refcount`, `mapcount`, `mapping`, `index`, `pfn`, `flags`, compound fields; those printed.
        poisoned: whether the kernel says that the struct page is uninitialised.
        reason: reason glued to a poisoned page's line.
    """

    era: str
    fields: Mapping[str, int]
    poisoned: bool = False
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class AddressSpaceText:
    """The parts of the line that names an address_space, as printed."""

    aops: str | None
    ino: int | None
    dentry: str | None
    text: str


def match_page_line(text: str) -> PageLine | None:
    """The first line of a page dump, of any era from 2.6.5 to 6.19.

    Args:
        text: the message, blanks around it removed.

    >>> line = match_page_line("page: refcount:0 mapcount:1 mapping:0000000000000000 index:0x7fa8117c3 pfn:0xfb1665")
    >>> line.era, line.fields["mapcount"], hex(line.fields["pfn"])
    ('6.9', 1, '0xfb1665')
    >>> match_page_line("flags:0x80000400 mapping:00000000 mapcount:0 count:0").era
    '2.6.5'
    """
    if _OLD.match(text):
        return PageLine("2.6.5", _pairs(text))
    if found := _POISONED.match(text):
        rest = _REASON.search(text, found.end())
        fields = {} if (p := pointer(found["pointer"])) is None else {"pointer": p}
        return PageLine("5.10" if found["pointer"] else "6.9", fields, True, None if rest is None else rest["reason"])
    found = _PAGE.match(text)
    if found is None:
        return None
    fields = _pairs(text[found.end() :])
    if not fields.keys() & {"refcount", "mapcount", "mapping"}:
        return None
    if (p := pointer(found["pointer"])) is not None:
        fields["pointer"] = p
    return PageLine(_era(text, found["pointer"] is not None, fields), fields)


def page_line_pairs(text: str) -> dict[str, int]:
    """The fields of a line that a wrap split off the page line (`mapping:.. index:.. pfn:..`), {} if it is none.

    >>> page_line_pairs("pfn:0x605811"), page_line_pairs("index:0x0 and more words")
    ({'pfn': 6314001}, {})
    """
    left = _PAIR.sub("", text).strip()
    return (
        {}
        if left
        else {k: v for k, v in _pairs(text).items() if k in ("refcount", "mapcount", "mapping", "index", "pfn")}
    )


def match_head_line(text: str) -> dict[str, int] | None:
    """The `head:` line of a compound page: its printed fields by name.

    >>> match_head_line("head: order:3 entire_mapcount:0 nr_pages_mapped:1 pincount:0")["nr_pages_mapped"]
    1
    """
    found = _HEAD.match(text)
    if found is None:
        return None
    fields = _pairs(text[found.end() :])
    if (p := pointer(found["pointer"])) is not None:
        fields["pointer"] = p
    return fields


def match_words(text: str) -> tuple[str, tuple[int, ...], int] | None:
    """A `raw:` or `head:` line of struct page words: label, words, digits of a word.

    >>> match_words("raw: 00000000 00000100 00000122")
    ('raw', (0, 256, 290), 8)
    """
    found = _WORDS.fullmatch(text)
    if found is None:
        halved = _HALVED.fullmatch(text)
        if halved is None or len(halved["a"]) + len(halved["b"]) != 16:
            return None
        return match_words(f"{halved['whole']} {halved['a']}{halved['b']}")
    words = found["words"].split()
    return found["label"], tuple(int(word, 16) for word in words), len(words[0])


def bare_words(text: str) -> tuple[tuple[int, ...], int] | None:
    """Words that a wrap split off a `raw:` line: the words and the digits of one."""
    text = text.strip()
    if _BARE_WORDS.fullmatch(text) is None:
        return None
    words = text.split()
    return tuple(int(word, 16) for word in words), len(words[0])


def match_reason(text: str) -> str | None:
    """What stands behind `page dumped because:`; None if the line is another one."""
    found = _REASON.fullmatch(text)
    return None if found is None else found["reason"].strip()


def match_memcg(text: str) -> int | None:
    """The memcg pointer of the three lines that name it (4.4 to 6.19); None if the line is another one."""
    found = _MEMCG.fullmatch(text)
    return None if found is None else hex_number(found["value"])


def match_address_space(text: str) -> AddressSpaceText | None:
    """The line that names operations, inode and dentry of the page's address_space, of any era.

    >>> match_address_space('aops:btree_aops ino:1').ino
    1
    >>> match_address_space('ext4_da_aops name:"systemd"').dentry
    'systemd'
    """
    if found := _ADDRESS_SPACE.fullmatch(text):
        return AddressSpaceText(found["aops"], hex_number(found["ino"]), found["dentry"], text)
    if found := _OLD_ADDRESS_SPACE.fullmatch(text):
        return AddressSpaceText(found["aops"], None, found["dentry"], text)
    return AddressSpaceText(None, None, None, text) if _FAILED_ADDRESS_SPACE.fullmatch(text) else None


def match_note(text: str) -> bool:
    """Whether the line is one of the remarks of a page dump (`page does not match folio`)."""
    return _NOTE.fullmatch(text) is not None


def _pairs(text: str) -> dict[str, int]:
    fields: dict[str, int] = {}
    for found in _PAIR.finditer(text):
        key, shown = found["key"], found["value"]
        signed = key in _SIGNED or key.endswith(("count", "_mapped"))
        value = decimal_number(shown) if signed else pointer(shown)
        if value is not None:
            fields.setdefault(_RENAMED.get(key, key), value)
    return fields


# Forms of the page line, newest first; the era is the first release in which the form was read.
def _era(text: str, has_pointer: bool, fields: Mapping[str, int]) -> str:
    if not has_pointer:
        return "6.9"
    if "pfn" in fields:
        return "5.10"
    if " head:" in text:
        return "5.8"
    if " refcount:" in text:
        return "5.4"
    if "flags" in fields:
        return "2.6.16" if text.find(" count:") > text.find(" mapcount:") else "2.6.32"
    return "4.9" if "compound_mapcount" in fields else "3.10"

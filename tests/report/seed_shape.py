"""Puts what the rooms text, report and kernel say about the reported trace into the shape of its golden record."""

from __future__ import annotations

from typing import Any

from kvmlab.kernel.flag_layout import solve_layout
from kvmlab.kernel.kvm_ioctls import decode_ioctl
from kvmlab.kernel.page_flags import PageFlags
from kvmlab.kernel.page_pointers import hva_of_index, physical_address
from kvmlab.kernel.struct_page import decode_words
from kvmlab.kernel.taint import decode_taint
from kvmlab.kernel.x86 import syscall_number, syscall_registers
from kvmlab.kernel.zones import zone_name
from kvmlab.report.log import Log
from kvmlab.report.records import CpuLine, Frame, PageDump, Registers, Report


def seed_shape(log: Log) -> dict[str, Any]:
    """The whole record; prose that no object holds is left out, and stands in `PROSE` of the test."""
    return {
        "source": _source(log),
        "email": _email(log),
        "log_block": _block(log),
        "normalisation": _normalisation(log),
        "reports": [_report(log, report) for report in log.reports],
    }


def _hex(value: int | None, digits: int = 0) -> str | None:
    return None if value is None else f"0x{value:0{digits}x}"


def _source(log: Log) -> dict[str, Any]:
    text = log.text
    return {
        "sha256": text.source.sha256,
        "bytes": text.source.size,
        "lines": text.n_lines,
        "ends_with_newline": text.ends_with_newline,
        "encoding": text.encoding,
        "line_endings": text.line_endings,
    }


def _email(log: Log) -> dict[str, Any]:
    mail = log.text.mail
    assert mail is not None
    return {
        "subject": mail.subject,
        "subject_line": mail.subject_line,
        "in_reply_to_subject": mail.in_reply_to_subject,
        "patch_version": mail.patch_version,
        "patch_index": mail.patch_index,
        "patch_total": mail.patch_total,
        "from_name": mail.from_name,
        "from_address": mail.from_address,
        "date_raw": mail.date_raw,
        "date_zone_trustworthy": mail.date_zone_trustworthy,
        "attribution_lines": [
            {"line": a.line, "name": a.name, "text": a.text}
            if a.address is None
            else {"line": a.line, "name": a.name, "address_masked": a.address}
            for a in mail.attributions
        ],
        "max_quote_depth": mail.max_quote_depth,
        "body_unquoted_first_line": mail.body_unquoted_first_line,
        "signature": {"separator_line": mail.signature_line, "lines": list(mail.signature)},
        "reporter_prose": {
            "before": list(mail.prose_before or ()),
            "after": list(mail.prose_after or ()),
            "after_text": log.text.line(mail.prose_after[0]) if mail.prose_after else None,
        },
    }


def _block(log: Log) -> dict[str, Any]:
    (block,) = log.text.log_blocks
    prompt = block.shell_prompt
    assert prompt is not None
    return {
        "first_line": block.first_line,
        "last_line": block.last_line,
        "prefix_style": block.prefix_style,
        "caller_id": block.caller_id,
        "level_prefix": block.level_prefix,
        "shell_prompt": {
            "line": prompt.line,
            "time_of_day": prompt.time_of_day,
            "user": prompt.user,
            "host": prompt.host,
            "cwd": prompt.cwd,
            "command": prompt.command,
        },
        "first_timestamp": block.first_timestamp,
        "last_timestamp": block.last_timestamp,
        "logical_records": block.logical_records,
        "physical_lines": block.physical_lines,
        "timestamps_monotonic": block.timestamps_monotonic,
        "truncated_head": any(d.kind == "truncated_head" for d in log.reports[0].damage),
        "truncated_tail": any(d.kind == "truncated_tail" for d in log.reports[-1].damage),
    }


def _normalisation(log: Log) -> dict[str, Any]:
    wrap = log.text.wrap
    assert wrap is not None
    report = log.reports[1]
    cpu, hardware = report.cpu_line, report.hardware
    assert report.modules is not None
    assert cpu is not None
    assert hardware is not None
    return {
        "wrap_width": wrap.width,
        "wrapped_records": [
            {
                "line_first": r.line_first,
                "line_last": r.line_last,
                "timestamp": r.timestamp,
                "physical_lines": len(r.physical_lengths),
                "physical_lengths": list(r.physical_lengths),
                "collapsed_double_space_after_timestamp": r.collapsed_double_blank,
                "lost_leading_space_lines": list(r.lost_leading_blank_lines),
                "text_len": r.text_len,
                "module_count": count,
            }
            for r, count in zip(wrap.records, report.modules.per_record, strict=True)
        ],
        "joins": [
            {
                "after_line": j.after_line,
                "tail": j.tail,
                "head": j.head,
                "joined": j.joined,
                "insert_space": j.insert_blank,
            }
            for j in wrap.joins
        ],
        "record_size_rule": {
            "limit": wrap.limit,
            "per_append_overhead": wrap.overhead,
            "check": [{"text_len": c.text_len, "next": c.next, "sum": c.sum} for c in wrap.size_checks],
        },
    }


def _report(log: Log, report: Report) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "index": report.index,
        "kind": report.kind.value,
        "complete": report.complete,
        "truncated": [d.kind.value.removeprefix("truncated_") for d in report.damage if "truncated" in d.kind.value],
        "first_line": report.span.first_line,
        "last_line": report.span.last_line,
        "first_timestamp": report.timestamp,
        "last_timestamp": report.last_timestamp,
        "title": report.title,
    }
    if report.title is None:
        return shape | _fragment(report)
    trace, modules, page = report.call_trace, report.modules, report.page
    assert trace is not None
    assert modules is not None
    assert page is not None
    assert report.title_span is not None
    return shape | {
        "header": {
            "line": report.title_span.first_line,
            "process": report.process,
            "pfn": _hex(report.pfn),
        },
        "page_dump": _page(report, page),
        "modules": {
            "first_line": modules.span.first_line,
            "last_line": modules.span.last_line,
            "count": len(modules.modules),
            "all_unique": len(set(modules.names)) == len(modules.names),
            "names": list(modules.names),
            "taints": {m.name: m.flags for m in modules.modules if m.flags},
            "last_unloaded": modules.last_unloaded,
            "records": list(modules.per_record),
        },
        "cpu_line": _cpu(report.cpu_line),
        "taint_verbose_line": report.taint_verbose,
        "hardware": _hardware(report),
        "workqueue": report.workqueue,
        "call_trace": {
            "header_line": None if trace.header is None else trace.header.first_line,
            "stack_begin_marker": _marker(report, opens=True),
            "stack_end_marker": _marker(report, opens=False),
            "count": len(trace.frames),
            "reliable_count": len(trace.reliable),
            "unreliable_count": len(trace.frames) - len(trace.reliable),
            "frames": [_frame(i, frame) for i, frame in enumerate(trace.frames)],
        },
        "reliable_symbols": [frame.function for frame in trace.reliable],
        "registers": None if report.registers is None else _registers(report.registers),
        "code": report.code,
        "end_trace_marker": report.end_trace,
        "missing": list(report.missing),
    }


def _fragment(report: Report) -> dict[str, Any]:
    registers = report.registers
    assert registers is not None
    call = syscall_registers(registers.values)
    command = decode_ioctl(call.arguments["RSI"])
    assert call.rflags is not None
    return {
        "call_trace": []
        if report.call_trace is None
        else [_frame(i, f) for i, f in enumerate(report.call_trace.frames)],
        "stack_end_marker": _marker(report, opens=False),
        "registers": _registers(registers),
        "decoded": {
            "syscall": {
                "nr": call.nr,
                "nr_inferred": syscall_number("ioctl") if command.kvm is not None else None,
                "name_inferred": "ioctl" if command.kvm is not None else None,
                "fd": call.arguments["RDI"],
                "cmd": _hex(command.cmd),
                "cmd_name": command.name,
                "arg": _hex(call.arguments["RDX"]),
            },
            "rax_signed": call.rax,
            "rax_errno_name": call.errno,
            "return_rip_from_rcx": _hex(call.return_rip, 16),
            "rflags_from_r11": {
                "value": _hex(call.rflags.value),
                "set": list(call.rflags.names),
                "reserved_bit1": call.rflags.reserved_bit1,
            },
        },
    }


def _registers(registers: Registers) -> dict[str, Any]:
    return {
        "arch": registers.arch,
        "mode": registers.mode,
        "first_line": registers.span.first_line,
        "last_line": registers.span.last_line,
        "values": {name: _hex(value, 16) for name, value in registers.values.items()},
        "missing": list(registers.missing),
        "missing_lines": list(registers.missing_lines),
    }


def _marker(report: Report, *, opens: bool) -> dict[str, Any] | None:
    markers = () if report.call_trace is None else report.call_trace.markers
    found = next((m for m in markers if m.opens is opens), None)
    return None if found is None else {"line": found.span.first_line, "stack": found.stack}


def _frame(i: int, frame: Frame) -> dict[str, Any]:
    return {
        "idx": i,
        "line": frame.span.first_line,
        "timestamp": frame.timestamp,
        "text": frame.text,
        "reliable": frame.reliable,
        "symbol": frame.function,
        "offset": frame.offset,
        "offset_hex": _hex(frame.offset),
        "size": frame.size,
        "size_hex": _hex(frame.size),
        "module": frame.module,
        "build_id": frame.build_id,
        "stack": frame.context,
    }


def _cpu(cpu: CpuLine | None) -> dict[str, Any]:
    assert cpu is not None
    assert cpu.release is not None
    taint = decode_taint(cpu.taint_text, cpu.release)
    release = cpu.release
    return {
        "line": cpu.span.first_line,
        "cpu": cpu.cpu,
        "uid": cpu.uid,
        "pid": cpu.pid,
        "comm": cpu.comm,
        "kdump_loaded": cpu.kdump_loaded,
        "tainted": cpu.tainted,
        "taint_text_as_archived": cpu.taint_text,
        "taint_letters": list(taint.letters),
        "taint_flags": [{"letter": f.letter, "bit": f.bit, "name": f.verbose} for f in taint.flags],
        "taint_mask": taint.mask,
        "proprietary_module": taint.proprietary,
        "release": release.text,
        "release_parts": {
            "base": release.base,
            "major": release.major,
            "minor": release.minor,
            "patch": release.patch,
            "localversion": release.localversion,
            "commits_after_tag": release.commits_after_tag,
            "git": release.git,
            "dirty": release.dirty,
        },
        "build": cpu.build,
        "version_tail": cpu.version_tail,
        "package_id": cpu.package_id,
        "preempt_model": cpu.preempt_model,
        "build_id": cpu.build_id,
    }


def _hardware(report: Report) -> dict[str, Any]:
    hardware = report.hardware
    assert hardware is not None
    return {
        "line": hardware.span.first_line,
        "text": hardware.text,
        "vendor": hardware.vendor,
        "product": hardware.product,
        "board": hardware.board,
        "bios_version": hardware.bios_version,
        "bios_date": hardware.bios_date,
    }


def _page(report: Report, page: PageDump) -> dict[str, Any]:
    assert page.flags is not None
    assert page.page_type is not None
    assert page.raw is not None
    assert page.page_line is not None
    assert page.reason_span is not None
    flags = page.flags
    width = page.raw.width
    return {
        "format_era": page.era,
        "first_line": page.span.first_line,
        "last_line": page.span.last_line,
        "page": {
            "line": page.page_line.first_line,
            "page_ptr": _hex(page.pointer),
            "refcount": page.refcount,
            "mapcount": page.mapcount,
            "mapping": _hex(page.mapping),
            "index": _hex(page.index),
            "pfn": _hex(page.pfn),
        },
        "head": page.head,
        "memcg": _hex(page.memcg),
        "aops": None if page.address_space is None else page.address_space.aops,
        "ino": None if page.address_space is None else page.address_space.ino,
        "dentry": None if page.address_space is None else page.address_space.dentry,
        "kind_prefix": flags.prefix,
        "cma": flags.cma,
        "flags": {
            "line": flags.span.first_line,
            "value": _hex(flags.value, width),
            "names": list(flags.names),
            "fields": {k: _hex(v) if k == "lastcpupid" else v for k, v in flags.fields.items()},
            "section": flags.fields.get("section"),
            "kasantag": flags.fields.get("kasantag"),
        },
        "page_type": {
            "line": page.page_type.span.first_line,
            "value": _hex(page.page_type.value),
            "names": list(page.page_type.names),
        },
        "raw": {
            "lines": list(range(page.raw.span.first_line, page.raw.span.last_line + 1)),
            "words": [_hex(word, width) for word in page.raw.words],
        },
        "head_raw": page.head_raw,
        "reason": {"line": page.reason_span.first_line, "text": page.reason},
        "page_owner": page.page_owner,
        "decoded": _decoded(report, page),
    }


def _decoded(report: Report, page: PageDump) -> dict[str, Any]:
    assert report.cpu_line is not None
    assert report.cpu_line.release is not None
    assert page.flags is not None
    assert page.raw is not None
    assert page.index is not None
    assert report.pfn is not None
    release = report.cpu_line.release
    flags = PageFlags.decode(page.flags.value, release)
    solution = solve_layout(page.flags.value, dict(page.flags.fields), release)
    layout = solution.preferred
    assert solution.unique
    assert layout is not None
    words = decode_words(page.raw.words, release)

    def word(name: str) -> str:
        field = words[name]
        if field.poison is not None:
            return field.poison.name
        return "NULL" if field.raw == 0 and field.coding == "pointer" and name == "mapping" else hex(field.raw)

    return {
        "flag_bits": [{"bit": bit, "name": name} for bit, name in flags.bits],
        "field_layout": {
            "section_width": layout.section_width,
            "node_shift": layout.node_shift,
            "node_width": layout.node_width,
            "zone_shift": layout.zone_shift,
            "zone_width": layout.zone_width,
            "lastcpupid_shift": layout.lastcpupid_shift,
            "lastcpupid_width": layout.lastcpupid_width,
        },
        "zone_name": zone_name(page.flags.fields["zone"], "x86_64", release),
        "lastcpupid_is_reset_value": solution.lastcpupid_is_reset,
        "max_cpus_implied": layout.max_cpus,
        "words": {
            "flags": _hex(words["flags"].raw, 16),
            "lru_next": word("lru.next"),
            "lru_prev": word("lru.prev"),
            "mapping": word("mapping"),
            "index": word("index"),
            "private": word("private"),
            "_mapcount": words["_mapcount"].value,
            "_refcount": words["_refcount"].value,
            "memcg_data": hex(words["memcg_data"].raw),
        },
        "mapcount_shown_minus_1_equals_word6_low32": page.mapcount == words["_mapcount"].count,
        "raw_word0_equals_flags_line": page.raw.words[0] == page.flags.value,
        "raw_word4_equals_index": page.raw.words[4] == page.index,
        "index_as_user_va_if_anon": _hex(hva_of_index(page.index), 16),
        "phys_addr": _hex(physical_address(report.pfn), 16),
    }

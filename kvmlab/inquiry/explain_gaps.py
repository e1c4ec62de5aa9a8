"""What a log does not hold, why that matters, and how to get it on an affected host."""

from __future__ import annotations

from collections.abc import Iterator

from kvmlab.inquiry.explanation import Gap
from kvmlab.kernel.taint import decode_taint
from kvmlab.report.records import Kind, Report
from kvmlab.text.span import DamageKind

_RECORD = (
    "Follow the log from boot on with `journalctl -kf -o short-monotonic` or `dmesg -wT > file`; "
    "`dmesg -c` empties the ring."
)


def gaps(report: Report, before: Report | None = None) -> Iterator[Gap]:
    """What is missing from one report.

    Args:
        report: the report.
        before: the report that stands before it in the text, if there is one.
    """
    kinds = {damage.kind for damage in report.damage}
    cpu = report.cpu_line
    if report.kind is Kind.BAD_PAGE and cpu and "B" in decode_taint(cpu.taint_text if cpu.tainted else None):
        yield Gap(
            "the first bad page of this boot",
            "The first report is the closest to the cause; later ones are often its consequence.",
            _RECORD,
        )
    if (
        before is not None
        and before.kind is Kind.FRAGMENT
        and DamageKind.TRUNCATED_HEAD in {d.kind for d in before.damage}
    ):
        lost = ", ".join(before.registers.missing_lines) if before.registers else "its title and stack"
        yield Gap(
            f"the beginning of the report before this one ({lost})",
            "Only its end is left, so its page, reason and stack are unknown.",
            "Read the ring buffer into a file before it is cleared, with a buffer that is large enough "
            "(`log_buf_len=16M`).",
        )
    if DamageKind.TRUNCATED_TAIL in kinds:
        missing = "; ".join(report.missing) or "its end"
        yield Gap(
            f"the end of this report ({missing})",
            "The user registers at the end of the stack show which system call was running.",
            "Send the log as an attachment, not pasted: mail and terminals cut, wrap and fold it.",
        )
    page = report.page
    if page is not None and page.page_owner is None:
        yield Gap(
            "who allocated the page and who freed it last",
            "With page_owner the report ends with both stacks.",
            "Boot a kernel with CONFIG_PAGE_OWNER=y and `page_owner=on`.",
        )
    if page is not None and page.refcount is not None and page.mapcount is not None and page.refcount < page.mapcount:
        yield Gap(
            "who put the reference that was not theirs",
            "The report's stack shows the last put, not the wrong one.",
            "Record the events page_ref:page_ref_mod_and_test and page_ref_mod for the pfn (CONFIG_DEBUG_PAGE_REF=y), "
            "with `stacktrace`.",
        )
    if page is not None and page.raw is None:
        yield Gap(
            "the raw words of the struct page",
            "They hold what the printed fields leave out: list pointers, private, memcg.",
            "Keep the log level of the console high enough: the lines of one report have different levels "
            "(`loglevel=7`).",
        )
    if report.modules is None:
        yield Gap(
            "the module list",
            "It shows which drivers can be involved.",
            "Send the whole report, or the output of `lsmod`.",
        )
    if report.cpu_line is None or report.cpu_line.release is None:
        yield Gap(
            "the kernel release",
            "Flags, struct page and the rules of KVM differ by release; without it nothing is decoded by table.",
            "Send the CPU line of the report, or `uname -a`.",
        )

"""Strategies for trace text: event lines that follow the event table, the dirt around them, and damage."""

from __future__ import annotations

from hypothesis import strategies as st

from kvmlab.kernel.events_forms import EventForm, event_forms

COMMS = [
    "kl",
    "CPU 0/KVM",
    "<...>",
    "<idle>",
    "kworker/0:1-events",
    "gnome-shell:cs0",
    "a [12] b",
    "x-1",
    "Xorg",
    "(sd-pam)",
]
_WORD = st.text("abcXYZ_|0129", min_size=1, max_size=20)


@st.composite
def bodies(draw: st.DrawFn, form: EventForm) -> str:
    """A body in one form, every field with its own kind of value."""
    text = form.literals[0]
    for field, literal in zip(form.fields, form.literals[1:], strict=True):
        if field.kind == "d":
            value = str(draw(st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(-2, 20)))
        elif field.kind == "x":
            value = draw(st.sampled_from(["", "0x"])) + f"{draw(st.integers(0, (1 << 64) - 1)):x}"
        elif field.kind == "n":
            number = draw(st.integers(0, (1 << 52) - 1))
            value = draw(st.sampled_from([f"{number:#x}", str(number)]))
        elif field.kind == "g":
            value = draw(_WORD | st.just("8-byte q0 direct"))
        else:
            value = draw(_WORD)
        text += value + literal
    return text


@st.composite
def prefixes(draw: st.DrawFn) -> str:
    """What stands before the event: ftrace, trace-cmd or perf, with and without thread group and latency flags."""
    comm = draw(st.sampled_from(COMMS))
    pid = draw(st.integers(0, 4194304))
    cpu = draw(st.sampled_from(["000", "001", "127", "1023"]))
    time = f"{draw(st.integers(0, 10**7))}.{draw(st.sampled_from(['000001', '123456', '123456789']))}"
    if draw(st.booleans()):
        tgid = draw(st.sampled_from(["", f"({pid:7d}) ", "(-------) "]))
        latency = draw(st.sampled_from(["", "..... ", "d..2. ", "dNh4 ", ".N... "]))
        return f"{comm:>16}-{pid:<7d} {tgid}[{cpu}] {latency}{time:>12}: "
    thread = draw(st.sampled_from(["", f"/{pid + 1}"]))
    system = draw(st.sampled_from(["kmem:", "kvm:", ""]))
    return f"{comm} {pid:5d}{thread} [{cpu}] {time}: {system:>20}".rstrip(" ") + ("" if system else " ")


@st.composite
def event_lines(draw: st.DrawFn) -> str:
    """A whole event line, of an event in the table or of another one."""
    form = draw(st.sampled_from(event_forms()))
    if draw(st.integers(0, 9)) == 0:
        return draw(prefixes()) + "sched_switch: prev_comm=a prev_pid=1 ==> next_comm=b next_pid=2"
    return draw(prefixes()) + form.event + ": " + draw(bodies(form))


FURNITURE = [
    "# tracer: nop", "", "   ", "cpus=2", "CPU:1 [LOST 12 EVENTS]", "CPU 1 is empty", ">", "some prose",
    " => __alloc_pages", " => ttm_pool_alloc", "\tffffffffbe23e32e __alloc_pages+0x22e (/lib/vmlinux)",
    "           <...>-1 [000] ..... 1.000001: <stack trace>", "  bash-9 [001] 2.0: kernel_stack: <stack trace >",
    "  bash-9 [001] 2.0: <user stack trace>", "order=1 migratetype=0 gfp_flags=GFP_USER", "84d000 error_code 4",
    "VCPU-0-61883 [078] ..... 72276.115679: kvm_page_fault: address",
    "\r", "[000]", "x-1 [000] 1.0: ", "-1 [0] 1.0: a: b",
]  # fmt: skip


@st.composite
def traces(draw: st.DrawFn) -> bytes:
    """A trace of event lines, furniture and lines that were damaged in one place."""
    lines = draw(st.lists(event_lines() | st.sampled_from(FURNITURE), max_size=12))
    data = bytearray("\n".join(lines).encode("latin-1", "replace"))
    for _ in range(draw(st.integers(0, 3))):
        if data:
            at = draw(st.integers(0, len(data) - 1))
            how = draw(st.integers(0, 3))
            if how == 0:
                data[at] = draw(st.integers(0, 255))
            elif how == 1:
                del data[at]
            elif how == 2:
                data[at:at] = draw(st.sampled_from([b" ", b"\n", b"0", b"-", b"[", b"\t", b"> ", b"\xe9"]))
            else:
                data[at:at] = b" " * draw(st.integers(1, 70))
    if draw(st.booleans()):
        data += b"\n"
    return bytes(data)

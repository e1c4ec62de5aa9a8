"""vCPUs are interchangeable: a representative for the states that differ only in their names."""

from __future__ import annotations

from collections.abc import Callable

from kvmlab.kvm.machine import Machine
from kvmlab.kvm.system import System
from kvmlab.memory.state import Field, model_code, read, write


def vcpu_record(c: Machine) -> Field:
    """The whole record of each vCPU as one field."""
    return Field(c.pc.at, c.pc.stride, c.pc.stride)


@model_code
def sort_vcpus(s: int, record: Field, n: int) -> int:
    """The state with the records of its vCPUs in ascending order."""
    for last in range(n - 1, 0, -1):
        for v in range(last):
            low = read(s, record, v)
            high = read(s, record, v + 1)
            if low > high:
                s = write(write(s, record, v, high), record, v + 1, low)
    return s


def canonical_by_vcpu(system: System) -> Callable[[int], int]:
    """The function from a state to its representative.

    Args:
        system: the system; nothing but the record of a vCPU may name it, which holds for all configurations.
    """
    record, n = vcpu_record(system.machine), system.machine.vcpus
    return lambda s: sort_vcpus(s, record, n)

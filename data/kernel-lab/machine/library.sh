# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# What the sections share. Sourced by /init in the emulated machine.
# C is the folder that is sent back, T is tracefs.
C=/cap
T=/sys/kernel/tracing
SEQUENCE=0

uptime_s() { cut -d' ' -f1 /proc/uptime; }

# One line for the console and for lab.log.
say() {
    echo "lab: $(uptime_s) $*"
    echo "$(uptime_s) $*" >>"$C/lab.log"
}

# Run a command, keep its output and say how it ended: step NAME FILE COMMAND...
step() {
    step_name=$1
    step_file=$2
    shift 2
    mkdir -p "$(dirname "$C/$step_file")"
    "$@" >"$C/$step_file" 2>"$C/$step_file.err"
    step_status=$?
    [ -s "$C/$step_file.err" ] || rm -f "$C/$step_file.err"
    say "$step_name: status $step_status, $(wc -l <"$C/$step_file") lines"
    return 0
}

# Send everything back. Two disks take turns, so that a machine that dies while it writes leaves the copy before.
flush() {
    SEQUENCE=$((SEQUENCE + 1))
    dmesg >"$C/dmesg_tail.txt"
    echo "$SEQUENCE" >"$C/.sequence"
    if [ $((SEQUENCE % 2)) = 1 ]; then disk=/dev/vda; else disk=/dev/vdb; fi
    sync
    [ -b "$disk" ] && tar cf "$disk" -C / cap && sync
    say "flushed $SEQUENCE"
}

# The small files of /proc that say how memory lies: snapshot FOLDER
snapshot() {
    mkdir -p "$C/$1"
    for file in buddyinfo pagetypeinfo zoneinfo iomem meminfo vmstat; do
        cat "/proc/$file" >"$C/$1/$file.txt" 2>&1
    done
}

# The flags and map counts of every frame, 8 bytes each, packed: frames FOLDER
frames() {
    mkdir -p "$C/$1"
    gzip -c </proc/kpageflags >"$C/$1/kpageflags.bin.gz"
    gzip -c </proc/kpagecount >"$C/$1/kpagecount.bin.gz"
}

trace_on() {
    echo 0 >"$T/tracing_on"
    echo >"$T/trace"
    echo nop >"$T/current_tracer"
    echo "${TRACE_KB:-8192}" >"$T/buffer_size_kb"
    echo >"$T/set_event"
    for event in "$@"; do
        if [ -d "$T/events/$event" ]; then echo 1 >"$T/events/$event/enable"; else say "no event $event"; fi
    done
    echo 1 >"$T/tracing_on"
}

# trace_off FILE
trace_off() {
    echo 0 >"$T/tracing_on"
    mkdir -p "$(dirname "$C/$1")"
    cat "$T/trace" >"$C/$1"
    echo >"$T/set_event"
    echo >"$T/trace"
}

# Switch the multi-generation LRU (y or n) and print what it is now.
lru_gen() {
    [ -e /sys/kernel/mm/lru_gen/enabled ] || return 0
    echo "$1" >/sys/kernel/mm/lru_gen/enabled
    cat /sys/kernel/mm/lru_gen/enabled
}

need_kvm() {
    [ -e /dev/kvm ] || modprobe kvm_amd
    [ -e /dev/kvm ] || say "no /dev/kvm"
}

need_klab() {
    [ -e /dev/klab ] || insmod /lab/klab.ko "$@" || say "klab did not load"
}

need_klttm() {
    [ -e /dev/klttm ] && return 0
    modprobe ttm
    modprobe drm
    insmod /lab/klttm.ko || say "klttm did not load"
}

# wait_for_output FILE PROCESS [SECONDS]: until the process wrote its output or ended; then a little more, so that the
# kernel's log is complete.
wait_for_output() {
    waited=0
    while [ ! -s "$1" ] && kill -0 "$2" 2>/dev/null && [ "$waited" -lt "${3:-60}" ]; do
        sleep 1
        waited=$((waited + 1))
    done
    sleep 2
}

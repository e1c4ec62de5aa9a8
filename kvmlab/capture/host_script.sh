#!/bin/sh
# Records how this host's memory lies, and a short trace, into one tar. Printed by `kvmlab capture`; needs no kvmlab here.
# Run it as root: sh capture.sh [FOLDER]     (the tar is made in FOLDER, by default the current one)
#
# It only reads, with one exception: in a tracing instance of its own it switches the events listed below on for
# the given time and off again, also when it is interrupted. It never reads TTM's page_pool_shrink and tt_shrink:
# reading those frees pages. It records no host name, no user name and no contents of memory; names of
# processes (comm) are in traces, page_owner and gem_info.
set -u
umask 077
LC_ALL=C
export LC_ALL

#@SETTINGS@

PROC=${KVMLAB_PROC:-/proc}
SYS=${KVMLAB_SYS:-/sys}
# Its tests stand in for procfs, sysfs and tracefs.
MAKE_INSTANCE=${KVMLAB_MKDIR:-mkdir}
REMOVE_INSTANCE=${KVMLAB_RMDIR:-rmdir}
DEBUG=$SYS/kernel/debug
TOP=${1:-.}
NOW=$(date -u +%Y%m%dT%H%M%SZ)
NAME=kvmlab-capture-$NOW-$$
OUT=$TOP/$NAME
INSTANCE=
WATCHDOG=
STATUS=ok

say() { echo "kvmlab-capture: $*" >&2; }
# One line of the list of what could not be had, and why.
missing() { printf '%s\t%s\n' "$1" "$2" >>"$OUT/missing.txt"; }

# Everything off again, whatever ended the script; safe to run twice.
trace_stop() {
    [ -n "$INSTANCE" ] || return 0
    echo 0 >"$INSTANCE/tracing_on" 2>/dev/null
    for event in $EVENTS; do
        [ -e "$INSTANCE/events/$event/enable" ] && echo 0 >"$INSTANCE/events/$event/enable" 2>/dev/null
    done
    # The kernel refuses while the trace is being read; the last reader is gone a moment later.
    "$REMOVE_INSTANCE" "$INSTANCE" 2>/dev/null || {
        sleep 1
        "$REMOVE_INSTANCE" "$INSTANCE" 2>/dev/null
    } || say "could not remove $INSTANCE: remove it with rmdir"
    INSTANCE=
    if [ -n "$WATCHDOG" ]; then
        kill "$WATCHDOG" 2>/dev/null
        WATCHDOG=
    fi
}
interrupted() {
    trap '' HUP INT TERM PIPE
    STATUS=interrupted
    say "interrupted: switching the trace off and packing what is there"
    trace_save
    trace_stop
    finish
    exit 130
}
trap trace_stop EXIT
trap interrupted HUP INT TERM PIPE

# Files of the kernel give little with each read, so that dd's count would cut them short.
bounded() {
    if [ -n "$HEAD_COUNTS" ]; then head -c $((MAX_KB * 1024)) "$1"; else cat "$1"; fi
}
# take SOURCE NAME: a copy of at most MAX_KB.
take() {
    if [ ! -e "$1" ]; then
        missing "$2" "not there: ${1#"$PROC"}"
        return 0
    fi
    mkdir -p "$(dirname "$OUT/$2")"
    if bounded "$1" >"$OUT/$2" 2>/dev/null; then
        [ -s "$OUT/$2" ] || missing "$2" "empty"
    else
        [ -s "$OUT/$2" ] || rm -f "$OUT/$2"
        missing "$2" "could not be read (root? lockdown?)"
    fi
}
# The same, packed on its way: 8 bytes a page frame are long but pack well.
take_packed() {
    if [ ! -r "$1" ]; then
        missing "$2" "not there or not readable"
        return 0
    fi
    mkdir -p "$(dirname "$OUT/$2")"
    if [ -n "$GZIP_PROGRAM" ]; then
        dd if="$1" bs=64k 2>/dev/null | "$GZIP_PROGRAM" -c >"$OUT/$2.gz" || missing "$2" "could not be packed"
        [ -s "$OUT/$2.gz" ] || rm -f "$OUT/$2.gz"
    else
        take "$1" "$2"
    fi
}
state() {
    for file in buddyinfo pagetypeinfo zoneinfo meminfo vmstat; do
        take "$PROC/$file" "$1/$file.txt"
    done
    take "$DEBUG/ttm/page_pool" "$1/ttm_page_pool.txt"
}

trace_start() {
    tracing=$SYS/kernel/tracing
    [ -d "$tracing/instances" ] || tracing=$DEBUG/tracing
    if [ ! -d "$tracing/instances" ]; then
        missing trace.txt "tracefs is not mounted, or not root"
        return 1
    fi
    INSTANCE=$tracing/instances/kvmlab-$$
    if ! "$MAKE_INSTANCE" "$INSTANCE" 2>/dev/null; then
        INSTANCE=
        missing trace.txt "a tracing instance could not be made"
        return 1
    fi
    # If this shell is killed outright, somebody still switches the events off.
    (
        trap '' HUP INT PIPE
        left=$((SECONDS_LONG + 60))
        while [ "$left" -gt 0 ] && kill -0 "$$" 2>/dev/null && [ -d "$INSTANCE" ]; do
            sleep 1
            left=$((left - 1))
        done
        [ -d "$INSTANCE" ] || exit 0
        for event in $EVENTS; do
            [ -e "$INSTANCE/events/$event/enable" ] && echo 0 >"$INSTANCE/events/$event/enable" 2>/dev/null
        done
        "$REMOVE_INSTANCE" "$INSTANCE" 2>/dev/null
    ) </dev/null >/dev/null 2>&1 &
    WATCHDOG=$!
    echo 0 >"$INSTANCE/tracing_on" 2>/dev/null
    echo "$BUFFER_KB" >"$INSTANCE/buffer_size_kb" 2>/dev/null || missing buffer "the buffer size could not be set"
    if [ "$STACKS" = 1 ]; then
        echo 1 >"$INSTANCE/options/stacktrace" 2>/dev/null || missing stacks "stack traces could not be switched on"
    fi
    : >"$OUT/events.txt"
    for event in $EVENTS; do
        if [ -e "$INSTANCE/events/$event/enable" ] && echo 1 >"$INSTANCE/events/$event/enable" 2>/dev/null; then
            echo "$event" >>"$OUT/events.txt"
        else
            missing "$event" "this kernel has no such event"
        fi
    done
    if [ ! -s "$OUT/events.txt" ]; then
        missing trace.txt "none of the events is there"
        trace_stop
        return 1
    fi
    echo 1 >"$INSTANCE/tracing_on" 2>/dev/null
    return 0
}
trace_save() {
    [ -n "$INSTANCE" ] || return 0
    echo 0 >"$INSTANCE/tracing_on" 2>/dev/null
    take "$INSTANCE/trace" trace.txt
    for stats in "$INSTANCE"/per_cpu/cpu*/stats; do
        [ -e "$stats" ] && { echo "# ${stats#"$INSTANCE"/per_cpu/}"; cat "$stats"; }
    done >"$OUT/trace_stats.txt" 2>/dev/null
    [ -s "$OUT/trace_stats.txt" ] || rm -f "$OUT/trace_stats.txt"
}

# The page frames behind a process's mappings of GPU devices: at most PAGEMAP_PAGES of them.
take_pagemap() {
    left=$PAGEMAP_PAGES
    mkdir -p "$OUT/pagemap"
    while read -r range _ _ _ _ path; do
        case $path in
        /dev/dri/*) ;;
        *) continue ;;
        esac
        first=$((0x${range%-*} / 4096))
        pages=$((0x${range#*-} / 4096 - first))
        [ "$pages" -gt "$left" ] && pages=$left
        [ "$pages" -gt 0 ] || break
        left=$((left - pages))
        dd if="$PROC/$PID/pagemap" of="$OUT/pagemap/${range%-*}.bin" bs=8 skip="$first" count="$pages" 2>/dev/null
        echo "$range $path" >>"$OUT/pagemap/ranges.txt"
    done <"$PROC/$PID/maps" 2>/dev/null
    [ -s "$OUT/pagemap/ranges.txt" ] || missing pagemap "process $PID maps no /dev/dri device, or is not there"
}

# Only these characters go into the manifest, so that it is JSON whatever a file is called.
plain() { printf '%s' "$1" | tr -cd 'A-Za-z0-9 ._+:/,=~@#()-'; }
manifest() {
    {
        printf '{"schema": "kvmlab.host-capture/1",\n'
        printf ' "release": "%s", "machine": "%s",\n' "$(plain "$(uname -r)")" "$(plain "$(uname -m)")"
        printf ' "began": "%s", "ended": "%s", "status": "%s",\n' "$NOW" "$(date -u +%Y%m%dT%H%M%SZ)" "$STATUS"
        printf ' "settings": {"seconds": %s, "events": "%s", "stacks": %s, "buffer_kb": %s, "max_kb": %s},\n' \
            "$SECONDS_LONG" "$(plain "$EVENTS")" "$STACKS" "$BUFFER_KB" "$MAX_KB"
        printf ' "missing": ['
        separator=
        if [ -e "$OUT/missing.txt" ]; then
            while IFS="$TAB" read -r what why; do
                printf '%s\n  {"what": "%s", "why": "%s"}' "$separator" "$(plain "$what")" "$(plain "$why")"
                separator=,
            done <"$OUT/missing.txt"
        fi
        printf '],\n "files": ['
        separator=
        (cd "$OUT" && find . -type f ! -name manifest.json ! -name missing.txt | sort) | while read -r file; do
            bytes=$(wc -c <"$OUT/$file" | tr -cd 0-9)
            sum=
            [ -n "$SUM_PROGRAM" ] && sum=$("$SUM_PROGRAM" "$OUT/$file" | cut -d' ' -f1)
            printf '%s\n  {"path": "%s", "bytes": %s, "sha256": "%s"}' "$separator" "$(plain "${file#./}")" "$bytes" "$(plain "$sum")"
            separator=,
        done
        printf ']}\n'
    } >"$OUT/manifest.json"
}
finish() {
    manifest
    rm -f "$OUT/missing.txt"
    if tar cf "$OUT.tar" -C "$TOP" "$NAME" 2>/dev/null; then
        rm -rf "$OUT"
        if [ -n "$GZIP_PROGRAM" ] && "$GZIP_PROGRAM" "$OUT.tar"; then
            echo "$OUT.tar.gz"
        else
            echo "$OUT.tar"
        fi
    else
        say "tar could not be run; the files are in $OUT"
        echo "$OUT"
    fi
}

TAB=$(printf '\t')
GZIP_PROGRAM=
command -v gzip >/dev/null 2>&1 && GZIP_PROGRAM=gzip
HEAD_COUNTS=
[ "$(printf xy | head -c 1 2>/dev/null)" = x ] && HEAD_COUNTS=1
SUM_PROGRAM=
command -v sha256sum >/dev/null 2>&1 && SUM_PROGRAM=sha256sum
mkdir -p "$OUT" || { say "the folder $OUT cannot be made"; exit 2; }
[ "$(id -u)" = 0 ] || { say "not root: most of what is wanted cannot be read"; missing root "the script did not run as root"; }
say "recording into $OUT; the trace takes $SECONDS_LONG s"

uname -srm >"$OUT/kernel.txt"
cut -d' ' -f1 <"$PROC/modules" >"$OUT/modules.txt" 2>/dev/null || missing modules.txt "not readable"
for module in kvm kvm_amd kvm_intel ttm amdgpu; do
    for file in "$SYS/module/$module/parameters"/*; do
        [ -r "$file" ] && printf '%s %s\n' "$module/${file##*/}" "$(head -n 1 "$file" 2>/dev/null)"
    done
done >"$OUT/parameters.txt"
take "$PROC/iomem" iomem.txt
state before
if [ "$SECONDS_LONG" -gt 0 ] && trace_start; then
    # In the background, so that an interruption is seen at once; a second at a time, so that none is left behind.
    left=$SECONDS_LONG
    while [ "$left" -gt 0 ]; do
        sleep 1 >/dev/null 2>&1 &
        wait "$!"
        left=$((left - 1))
    done
    trace_save
    trace_stop
fi
state after
take "$DEBUG/ttm/buffer_objects" ttm_buffer_objects.txt
for card in "$DEBUG"/dri/*; do
    [ -e "$card/amdgpu_gem_info" ] && take "$card/amdgpu_gem_info" "dri${card##*/}/amdgpu_gem_info.txt"
    [ -e "$card/ttm_page_pool" ] && take "$card/ttm_page_pool" "dri${card##*/}/ttm_page_pool.txt"
done
if [ "$PAGE_OWNER" = 1 ]; then
    take "$DEBUG/page_owner" page_owner.txt
    take "$DEBUG/page_owner_stacks/show_stacks" page_owner_stacks.txt
fi
if [ "$FRAMES" = 1 ]; then
    take_packed "$PROC/kpageflags" kpageflags.bin
    take_packed "$PROC/kpagecount" kpagecount.bin
fi
[ "$KERNEL_LOG" = 1 ] && dmesg >"$OUT/dmesg.txt" 2>/dev/null
[ "$PID" -gt 0 ] && take_pagemap
finish

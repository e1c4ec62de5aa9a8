# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154
# Buffers of ttm_pool_alloc() with buddyinfo, pagetypeinfo, zoneinfo and vmstat of the moment in the same file, printed by
# the process that asks for the buffer: no program starts between the texts and the call. GRADES are words a:b, a the
# stride (none, or every 2^a-th frame kept), b what weighs on the machine besides:
#   easy   nothing
#   empty  nothing, but the per-CPU lists are emptied before the texts are read, so that these count every free page
#   tight  the watermarks are raised until free memory comes near the low one
#   cache  free memory was filled with clean page cache, so that reclaim finds something
mkdir -p "$C/counts"
need_klab
cat >/tmp/one_grade.sh <<'END'
. /lab/library.sh
free_kb() { awk '/MemFree/{print $2}' /proc/meminfo; }
for case in $CASES; do
    npages=${case%:*}
    caching=${case#*:}
    to=$C/counts/stride$1_$2/n${npages}_caching$caching
    mkdir -p "$to"
    drain=0
    case $2 in
    empty) drain=1 ;;
    # the program itself takes some 8 MB; fallbacks shall not raise the watermarks on top
    tight)
        echo 0 >/proc/sys/vm/watermark_boost_factor
        echo $((($(free_kb) - npages * 4 - 8192) * 70 / 100)) >/proc/sys/vm/min_free_kbytes
        ;;
    cache) cat /dev/vda >/dev/null ;;
    esac
    KL_CPU=1 kl ttmcounts "$npages" "$caching" "$drain" >"$to/buffer.txt" 2>"$to/buffer.err"
    [ -s "$to/buffer.err" ] || rm "$to/buffer.err"
    echo 1024 >/proc/sys/vm/min_free_kbytes
    [ -z "$LISTS" ] || cat /sys/kernel/debug/klab/free_lists >"$to/free_lists.txt"
done
END
export CASES LISTS
for grade in $GRADES; do
    stride=${grade%:*}
    weight=${grade#*:}
    # khugepaged raises this to some 45 MB: that reserve would stay in whole order-10 blocks
    echo 1024 >/proc/sys/vm/min_free_kbytes
    need_klttm
    if [ "$stride" = none ]; then
        sh /tmp/one_grade.sh none "$weight" >"$C/counts/grade.txt" 2>&1
    else
        free_pages=$(awk '/MemFree/{print int($2/4)}' /proc/meminfo)
        kl frag "$free_pages" "$stride" sh /tmp/one_grade.sh "$stride" "$weight" >"$C/counts/grade.txt" 2>&1
    fi
    say "grade $grade: status $?, $(head -n 1 "$C/counts/grade.txt")"
    rm "$C/counts/grade.txt"
    rmmod klttm
    echo 3 >/proc/sys/vm/drop_caches
done
flush

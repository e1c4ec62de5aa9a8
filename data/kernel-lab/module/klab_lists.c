// SPDX-License-Identifier: GPL-2.0
/*
 * The buddy allocator's free lists and the per-CPU lists, in list order, first entry first: what decides which frames
 * the next allocation gets.  Taken under the allocator's own locks, read from debugfs klab/free_lists.
 */
#include <linux/cpumask.h>
#include <linux/kprobes.h>
#include <linux/mmzone.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/sched/clock.h>
#include <linux/seq_file.h>
#include <linux/vmalloc.h>
#include <linux/version.h>
#include "klab.h"

static unsigned int lists_max = 1u << 19;
module_param(lists_max, uint, 0444);
MODULE_PARM_DESC(lists_max, "free blocks that one taking can hold");

struct taken {
	u8 zone, order, type;
	s16 cpu;		/* -1: the zone's own list */
	u32 first, n;
	int count, high, batch;
};

struct taken_zone {
	const char *name;
	unsigned long start, spanned, managed, free, mark[3];
};

#define TAKEN_MAX 1024
static DEFINE_MUTEX(lists_lock);
static struct taken *taken;
static struct taken_zone zones[MAX_NR_ZONES];
static u64 *pfns;
static u32 n_taken, n_pfns, n_lost;
static u64 taken_ns;
static int taken_cpu;

static const char *type_name(unsigned int type)
{
	switch (type) {
	case MIGRATE_UNMOVABLE:
		return "Unmovable";
	case MIGRATE_MOVABLE:
		return "Movable";
	case MIGRATE_RECLAIMABLE:
		return "Reclaimable";
	case MIGRATE_HIGHATOMIC:
		return "HighAtomic";
#ifdef CONFIG_CMA
	case MIGRATE_CMA:
		return "CMA";
#endif
#ifdef CONFIG_MEMORY_ISOLATION
	case MIGRATE_ISOLATE:
		return "Isolate";
#endif
	}
	return "unknown";
}

static void add(u64 pfn)
{
	if (n_pfns < lists_max)
		pfns[n_pfns++] = pfn;
	else
		n_lost++;
}

static struct taken *begin(int zone, int cpu, unsigned int order, unsigned int type)
{
	struct taken *t;

	if (n_taken == TAKEN_MAX) {
		n_lost++;
		return NULL;
	}
	t = &taken[n_taken++];
	*t = (struct taken){ .zone = zone, .order = order, .type = type, .cpu = cpu, .first = n_pfns };
	return t;
}

/* Orders above PAGE_ALLOC_COSTLY_ORDER share the lists behind the low ones: they hold pageblock_order blocks. */
static void index_to(unsigned int index, unsigned int *order, unsigned int *type)
{
	const unsigned int low = (PAGE_ALLOC_COSTLY_ORDER + 1) * MIGRATE_PCPTYPES;

	*order = index < low ? index / MIGRATE_PCPTYPES : pageblock_order;
	*type = index < low ? index % MIGRATE_PCPTYPES : NR_PCP_LISTS - low == 1 ? MIGRATE_MOVABLE : index - low;
}

static void take_pcp(int zone, struct per_cpu_pages *pcp, int cpu)
{
	unsigned int index, order, type;
	unsigned long flags;
	struct taken *t;
	struct page *page;

	local_irq_save(flags);
	spin_lock(&pcp->lock);
	for (index = 0; index < NR_PCP_LISTS; index++) {
		index_to(index, &order, &type);
		t = begin(zone, cpu, order, type);
		if (!t)
			break;
		t->count = pcp->count;
		t->high = pcp->high;
		t->batch = pcp->batch;
		list_for_each_entry(page, &pcp->lists[index], pcp_list)
			add(page_to_pfn(page));
		t->n = n_pfns - t->first;
	}
	spin_unlock(&pcp->lock);
	local_irq_restore(flags);
}

static void take_zone(int number, struct zone *zone)
{
	unsigned int order, type;
	unsigned long flags;
	struct page *page;
	struct taken *t;
	int cpu;

	zones[number] = (struct taken_zone){
		.name = zone->name,
		.start = zone->zone_start_pfn,
		.spanned = zone->spanned_pages,
		.managed = zone_managed_pages(zone),
		.mark = { min_wmark_pages(zone), low_wmark_pages(zone), high_wmark_pages(zone) },
	};
	for_each_online_cpu(cpu)
		take_pcp(number, per_cpu_ptr(zone->per_cpu_pageset, cpu), cpu);
	spin_lock_irqsave(&zone->lock, flags);
	zones[number].free = zone_page_state(zone, NR_FREE_PAGES);
	/* the number of orders: its name changed in 6.8, the array's length did not */
	for (order = 0; order < ARRAY_SIZE(zone->free_area); order++) {
		for (type = 0; type < MIGRATE_TYPES; type++) {
			t = begin(number, -1, order, type);
			if (!t)
				break;
			list_for_each_entry(page, &zone->free_area[order].free_list[type], buddy_list)
				add(page_to_pfn(page));
			t->n = n_pfns - t->first;
		}
	}
	spin_unlock_irqrestore(&zone->lock, flags);
}

int klab_lists_take(void)
{
	struct zone *zone;
	int i, cpu;

	mutex_lock(&lists_lock);
	n_taken = n_pfns = n_lost = 0;
	cpu = get_cpu();
	taken_cpu = cpu;
	taken_ns = local_clock();
	for (i = 0; i < MAX_NR_ZONES; i++) {
		zone = &NODE_DATA(0)->node_zones[i];
		zones[i].name = NULL;
		if (populated_zone(zone))
			take_zone(i, zone);
	}
	put_cpu();
	mutex_unlock(&lists_lock);
	return 0;
}
EXPORT_SYMBOL_GPL(klab_lists_take);

/*
 * Reclaim and memory hotplug do this; the kernel does not export it to modules.  Afterwards buddyinfo and pagetypeinfo
 * count all free pages, not only those that no CPU holds.
 */
int klab_lists_drain(void)
{
	static void (*drain)(struct zone *zone);
	struct kprobe probe = { .symbol_name = "drain_all_pages" };
	int r;

	if (!drain) {
		r = register_kprobe(&probe);
		if (r)
			return r;
		drain = (void (*)(struct zone *))probe.addr;
		unregister_kprobe(&probe);
	}
	drain(NULL);
	return 0;
}

static void show_list(struct seq_file *m, const struct taken *t)
{
	u32 i;

	if (t->cpu < 0)
		seq_printf(m, "list zone %s order %u type %s blocks %u:", zones[t->zone].name, t->order,
			   type_name(t->type), t->n);
	else
		seq_printf(m, "pcp zone %s cpu %d order %u type %s count %d high %d batch %d blocks %u:",
			   zones[t->zone].name, t->cpu, t->order, type_name(t->type), t->count, t->high, t->batch, t->n);
	for (i = 0; i < t->n; i++)
		seq_printf(m, " %llx", pfns[t->first + i]);
	seq_putc(m, '\n');
}

static int lists_show(struct seq_file *m, void *unused)
{
	u32 i;

	mutex_lock(&lists_lock);
	seq_printf(m, "free_lists node 0 time_ns %llu cpu %d blocks %u lost %u\n", taken_ns, taken_cpu, n_pfns, n_lost);
	for (i = 0; i < MAX_NR_ZONES; i++)
		if (zones[i].name)
			seq_printf(m, "zone %s start %lx spanned %lu managed %lu free %lu min %lu low %lu high %lu\n",
				   zones[i].name, zones[i].start, zones[i].spanned, zones[i].managed, zones[i].free,
				   zones[i].mark[0], zones[i].mark[1], zones[i].mark[2]);
	for (i = 0; i < n_taken; i++)
		if (taken[i].n)
			show_list(m, &taken[i]);
	mutex_unlock(&lists_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(lists);

int klab_lists_init(struct dentry *dir)
{
	taken = vzalloc(array_size(TAKEN_MAX, sizeof(*taken)));
	pfns = vmalloc(array_size(lists_max, sizeof(*pfns)));
	if (!taken || !pfns) {
		klab_lists_exit();
		return -ENOMEM;
	}
	debugfs_create_file("free_lists", 0400, dir, NULL, &lists_fops);
	return 0;
}

void klab_lists_exit(void)
{
	vfree(pfns);
	vfree(taken);
}

// SPDX-License-Identifier: GPL-2.0
/* The log: one record for each thing that a probe saw, as JSON lines in debugfs klab/log. */
#include <linux/atomic.h>
#include <linux/kallsyms.h>
#include <linux/module.h>
#include <linux/page_ref.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/seq_file.h>
#include <linux/vmalloc.h>
#include "klab.h"

static unsigned int log_max = 1u << 14;
module_param(log_max, uint, 0444);
MODULE_PARM_DESC(log_max, "records that the log can hold; later ones are counted only");

static struct klab_record *records;
static atomic_t used = ATOMIC_INIT(0);

struct klab_record *klab_log(const char *event)
{
	unsigned int i = atomic_inc_return(&used) - 1;
	struct klab_record *rec;

	if (i >= log_max)
		return NULL;
	rec = &records[i];
	rec->ns = local_clock();
	rec->cpu = raw_smp_processor_id();
	rec->pid = current->pid;
	memcpy(rec->comm, current->comm, sizeof(rec->comm));
	rec->comm[sizeof(rec->comm) - 1] = 0;
	rec->vcpu = -1;
	rec->gfn = rec->pfn = ~0ull;
	WRITE_ONCE(rec->event, event);
	return rec;
}

void klab_log_page(struct klab_record *rec, struct page *page)
{
	if (!rec)
		return;
	rec->pfn = page_to_pfn(page);
	rec->ref_before = rec->ref_after = page_ref_count(page);
	rec->mapcount_raw = atomic_read(&page->_mapcount);
	memcpy(&rec->flags, page, sizeof(rec->flags));	/* the first word */
}

/* The callers of the probed function: what lies above it in the stack is the probe's own. */
static void show_stack(struct seq_file *m, const struct klab_record *rec)
{
	char name[KSYM_SYMBOL_LEN];
	unsigned int i, from = 0;

	for (i = 0; i < rec->nstack; i++) {
		sprint_symbol_no_offset(name, rec->stack[i]);
		if (str_has_prefix(name, rec->event))
			from = i + 1;
	}
	seq_puts(m, ",\"stack\":[");
	for (i = from; i < rec->nstack; i++)
		seq_printf(m, "%s\"%ps\"", i > from ? "," : "", (void *)rec->stack[i]);
	seq_putc(m, ']');
}

static void show(struct seq_file *m, const struct klab_record *rec)
{
	seq_printf(m, "{\"ns\":%llu,\"cpu\":%u,\"pid\":%d,\"comm\":\"%s\",\"event\":\"%s\"", rec->ns, rec->cpu, rec->pid,
		   rec->comm, rec->event);
	if (rec->vcpu >= 0)
		seq_printf(m, ",\"vcpu\":%d,\"seq_before\":%llu,\"seq_after\":%llu", rec->vcpu, rec->seq_before,
			   rec->seq_after);
	if (rec->gfn != ~0ull)
		seq_printf(m, ",\"gfn\":\"%#llx\"", rec->gfn);
	if (rec->pfn != ~0ull)
		seq_printf(m, ",\"pfn\":\"%#llx\",\"refcount\":%d,\"after\":%d,\"mapcount_raw\":%d,\"flags\":\"%#llx\"",
			   rec->pfn, rec->ref_before, rec->ref_after, rec->mapcount_raw, rec->flags);
	if (rec->nr)
		seq_printf(m, ",\"nr\":%u", rec->nr);
	if (rec->func)
		seq_printf(m, ",\"func\":\"%ps\"", (void *)rec->func);
	if (rec->reason[0])
		seq_printf(m, ",\"reason\":\"%s\"", rec->reason);
	if (rec->nstack)
		show_stack(m, rec);
	seq_puts(m, "}\n");
}

static int log_show(struct seq_file *m, void *unused)
{
	unsigned int n = atomic_read(&used), i;

	seq_printf(m, "{\"event\":\"log\",\"records\":%u,\"lost\":%u}\n", min(n, log_max), n > log_max ? n - log_max : 0);
	for (i = 0; i < min(n, log_max); i++)
		if (READ_ONCE(records[i].event))
			show(m, &records[i]);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(log);

int klab_log_init(struct dentry *dir)
{
	records = vzalloc(array_size(log_max, sizeof(*records)));
	if (!records)
		return -ENOMEM;
	debugfs_create_file("log", 0400, dir, NULL, &log_fops);
	return 0;
}

void klab_log_exit(void)
{
	vfree(records);
}

/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of the module klab share. */
#ifndef KLAB_H
#define KLAB_H
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include "klab_uapi.h"

/* One open /dev/klab: the pages that an mmap of it shows. */
struct klab_file {
	struct file *filp;
	struct mutex lock;	/* the fault handler against a change of the pages */
	u32 kind;
	u32 npages;
	u64 *pfns;
};

/* pages */
void klab_fill_info(struct klab_info *info);
long klab_pages_ioctl(unsigned int cmd, void __user *up);

/* map */
long klab_map_ioctl(struct klab_file *kf, unsigned int cmd, void __user *up);
int klab_mmap(struct file *filp, struct vm_area_struct *vma);

/* frag */
long klab_frag_ioctl(unsigned int cmd, void __user *up);
void klab_frag_undo(void);

/* lists: shared with klttm */
int klab_lists_take(void);
int klab_lists_drain(void);
int klab_lists_init(struct dentry *dir);
void klab_lists_exit(void);

/* log: what the probes saw, in the order in which they saw it */
#define KLAB_STACK 20

struct klab_record {
	u64 ns;
	const char *event;
	char comm[TASK_COMM_LEN];
	pid_t pid;
	u32 cpu;
	int vcpu;		/* -1: none */
	u64 gfn;		/* ~0: none */
	u64 pfn;		/* ~0: none */
	int ref_before, ref_after, mapcount_raw;
	u64 flags;
	u64 seq_before, seq_after;
	unsigned int nr;	/* entries of a batch */
	unsigned long func;	/* the function that a batch is moved with */
	char reason[64];
	unsigned int nstack;
	unsigned long stack[KLAB_STACK];
};

struct klab_record *klab_log(const char *event);
void klab_log_page(struct klab_record *rec, struct page *page);
int klab_log_init(struct dentry *dir);
void klab_log_exit(void);

/* the probes */
int klab_put_init(void);
void klab_put_exit(void);
int klab_stale_init(void);
void klab_stale_exit(void);
int klab_watch_init(void);
void klab_watch_exit(void);
#endif

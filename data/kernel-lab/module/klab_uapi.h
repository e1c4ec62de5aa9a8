/* SPDX-License-Identifier: GPL-2.0 */
/* What the modules klab and klttm and the program kl say to each other. */
#ifndef KLAB_UAPI_H
#define KLAB_UAPI_H
#include <linux/ioctl.h>
#include <linux/types.h>

enum klab_alloc_flags {
	KLAB_A_COMP = 1,	/* __GFP_COMP */
	KLAB_A_RESERVED = 2,	/* SetPageReserved() on every page */
	KLAB_A_SPLIT = 4,	/* split_page() after the allocation */
	KLAB_A_DMA32 = 8,
};

struct klab_alloc {
	__u32 order;
	__u32 flags;
	__u64 pfn;		/* out */
};

enum klab_bits {
	KLAB_B_COMPOUND = 1,
	KLAB_B_HEAD = 2,
	KLAB_B_TAIL = 4,
	KLAB_B_RESERVED = 8,
	KLAB_B_ANON = 16,
	KLAB_B_LRU = 32,
	KLAB_B_BUDDY = 64,
	KLAB_B_INVALID = 128,	/* no struct page */
};

struct klab_info {
	__u64 pfn;		/* in */
	__s32 refcount;		/* the page's own counter */
	__s32 head_refcount;	/* page_count(): the counter of its head */
	__s32 mapcount_raw;	/* page->_mapcount */
	__u32 bits;		/* enum klab_bits */
	__u64 head_pfn;
	__u64 private_;
	__u64 raw[8];		/* struct page */
};

enum klab_map_kind {
	KLAB_M_REMAP = 0,	/* remap_pfn_range() in mmap: VM_PFNMAP */
	KLAB_M_INSERT = 1,	/* vm_insert_page() in mmap: VM_MIXEDMAP, with references */
	KLAB_M_FAULT = 2,	/* vmf_insert_pfn() in the fault handler: VM_PFNMAP, as TTM does */
};

struct klab_map {
	__u32 kind;
	__u32 npages;
	__u64 pfns;		/* pointer to npages of __u64 */
};

struct klab_frag {
	__u64 npages;		/* in: order-0 pages to take; out: pages kept */
	__u32 stride_order;	/* keep the pages whose pfn is a multiple of 2^stride_order */
	__u32 pad;
};

struct klab_word {
	__u64 pfn;
	__u32 offset;		/* in bytes, a multiple of 4 */
	__u32 value;		/* out for PEEK, in for POKE */
};

#define KLAB_IOC_ALLOC _IOWR('k', 1, struct klab_alloc)
#define KLAB_IOC_FREE _IOW('k', 2, struct klab_alloc)
#define KLAB_IOC_INFO _IOWR('k', 3, struct klab_info)
#define KLAB_IOC_PUT _IOW('k', 4, __u64)
#define KLAB_IOC_GET _IOW('k', 5, __u64)
#define KLAB_IOC_MAP _IOW('k', 6, struct klab_map)
#define KLAB_IOC_ZAP _IO('k', 7)
#define KLAB_IOC_FRAG _IOWR('k', 8, struct klab_frag)
#define KLAB_IOC_UNFRAG _IO('k', 9)
#define KLAB_IOC_LISTS _IO('k', 10)	/* take the free lists into debugfs klab/free_lists */
#define KLAB_IOC_DRAIN _IO('k', 13)	/* give every per-CPU page back to the free lists */
#define KLAB_IOC_PEEK _IOWR('k', 11, struct klab_word)
#define KLAB_IOC_POKE _IOW('k', 12, struct klab_word)

struct klttm_alloc {
	__u32 npages;
	__u32 caching;		/* 0 uncached, 1 write-combined, 2 cached */
	__u32 page_flags;	/* TTM_TT_FLAG_* */
	__u32 take_lists;	/* take the free lists just before the call */
	__s32 ret;		/* out: what ttm_pool_alloc() returned */
	__u32 handle;		/* out */
	__u64 recs;		/* pointer to npages of struct klab_info, or 0 */
};

#define KLTTM_IOC_ALLOC _IOWR('t', 1, struct klttm_alloc)
#define KLTTM_IOC_FREE _IOW('t', 2, __u32)
/* make what the next KLTTM_IOC_ALLOC needs beside the pages, so that it asks the page allocator for nothing else */
#define KLTTM_IOC_PREPARE _IOW('t', 3, struct klttm_alloc)
#endif

// SPDX-License-Identifier: GPL-2.0
/* The matrix: each kind of page behind each kind of mapping, read and written by a guest, with its counters. */
#include "kl.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

static uint64_t frame_of(const char *at, uint64_t known)
{
	return known ? known : PM_PFN(pagemap(at));
}

/* pfn 0: ask pagemap for it after each access. */
static void guest_case(const char *name, char *mem, size_t len, unsigned int page, uint64_t pfn, int zap, int label)
{
	char buf[8], *at = mem + page * PG;
	struct iovec to = { buf, 8 }, from = { at, 8 };
	struct vm v;
	ssize_t n;
	int r, failed;

	mark("kl: case %s page %d pfn %#llx", name, label, (unsigned long long)pfn);
	printf("{\"case\":\"%s\",\"page\":%d,\"seq\":[", name, label);
	if (pfn) {
		print_info("mapped_host", pfn);
		printf(",");
	}
	n = process_vm_readv(getpid(), &to, 1, &from, 1, 0);
	printf("{\"gup\":\"process_vm_readv\",\"ret\":%zd,\"errno\":%d}", n, n < 0 ? errno : 0);
	r = vm_open(&v, mem, len, 1);
	if (r) {
		printf(",{\"vm_open\":%d}]}\n", r);
		return;
	}
	printf(",{\"vm_set\":%d},", vm_step(&v, page, STEP_READ));
	print_run(&v, "read", 0x10);
	failed = v.run[0]->exit_reason != KVM_EXIT_IO;
	printf(",");
	print_info("after_read", frame_of(at, pfn));
	printf(",");
	if (failed)
		vm_step(&v, page, STEP_WRITE);
	print_run(&v, "write", 0x11);
	printf(",");
	print_info("after_write", frame_of(at, pfn));
	if (zap) {
		ioctl(fd_klab, KLAB_IOC_ZAP);
		printf(",");
		print_info("after_zap", pfn);
		printf(",");
		vm_step(&v, page, STEP_READ);
		print_run(&v, "read_after_zap", 0x10);
		printf(",");
		print_info("after_read_after_zap", pfn);
	}
	vm_close(&v);
	if (pfn) {
		printf(",");
		print_info("vm_closed", pfn);
	}
	printf("]}\n");
	fflush(stdout);
}

static void print_one(const char *name, unsigned int page, const char *step, uint64_t pfn)
{
	printf("{\"case\":\"%s\",\"page\":%u,\"seq\":[", name, page);
	print_info(step, pfn);
	printf("]}\n");
}

static void print_all(const char *name, const char *key, const char *step, const uint64_t *pfns, unsigned int n)
{
	unsigned int i;

	printf("{\"case\":\"%s\",\"%s\":[", name, key);
	for (i = 0; i < n; i++) {
		if (i)
			printf(",");
		print_info(step, pfns[i]);
	}
	printf("]}\n");
}

static void driver_case(const char *block, unsigned int order, unsigned int flags, unsigned int kind, int zap)
{
	struct klab_alloc a = { .order = order, .flags = flags };
	unsigned int n = 1u << order, shown[3] = { 0, 1, n - 1 }, i;
	uint64_t pfns[1024];
	char name[96], *p;

	if (ioctl(fd_klab, KLAB_IOC_ALLOC, &a)) {
		printf("{\"case\":\"%s\",\"alloc_errno\":%d}\n", block, errno);
		return;
	}
	snprintf(name, sizeof(name), "%s/order%u/%s", block, order, kind_name(kind));
	for (i = 0; i < n; i++)
		pfns[i] = a.pfn + i;
	print_all(name, "alloc", "allocated", pfns, n);
	for (i = 0; i < (n > 2 ? 3 : n); i++) {
		/* one page per mapping, so that each page's fate is seen alone */
		p = map_pages(pfns + shown[i], 1, kind);
		if (p == MAP_FAILED) {
			printf("{\"case\":\"%s\",\"page\":%u,\"mmap_errno\":%d}\n", name, shown[i], errno);
			continue;
		}
		guest_case(name, p, PG, 0, pfns[shown[i]], zap, shown[i]);
		munmap(p, PG);
		print_one(name, shown[i], "munmapped", pfns[shown[i]]);
	}
	ioctl(fd_klab, KLAB_IOC_FREE, &a);
	print_all(name, "freed", "freed", pfns, n);
	fflush(stdout);
}

enum touch { UNTOUCHED, TOUCHED, ZERO_PAGE };

static void anon_case(const char *name, enum touch touch)
{
	char *p = mmap(NULL, 16 * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t pfn = 0;

	madvise(p, 16 * PG, MADV_NOHUGEPAGE);
	if (touch == TOUCHED) {
		p[0] = 7;
		pfn = PM_PFN(pagemap(p));
	} else if (touch == ZERO_PAGE) {
		(void)*(volatile char *)p;
	}
	guest_case(name, p, 16 * PG, 0, pfn, 0, 0);
	pfn = frame_of(p, pfn);
	print_one(name, 0, "vm_closed", pfn);
	munmap(p, 16 * PG);
	print_one(name, 0, "munmapped", pfn);
}

/* A page of a device's BAR, given by the environment: it has no struct page. */
static void mmio_case(uint64_t pfn)
{
	void *p = map_pages(&pfn, 1, KLAB_M_REMAP);

	if (p == MAP_FAILED)
		printf("{\"case\":\"mmio\",\"mmap_errno\":%d}\n", errno);
	else
		guest_case("mmio/remap_pfn_range", p, PG, 0, pfn, 0, 0);
}

int cmd_kvm(void)
{
	const char *mmio = getenv("KL_MMIO_PFN");

	if (kvm_fd() < 0) {
		printf("{\"kvm_open_errno\":%d}\n", errno);
		return 1;
	}
	printf("{\"kvm_api\":%d,\"sync_mmu\":%d,\"nr_slots\":%d}\n", ioctl(kvm_fd(), KVM_GET_API_VERSION, 0),
	       ioctl(kvm_fd(), KVM_CHECK_EXTENSION, KVM_CAP_SYNC_MMU),
	       ioctl(kvm_fd(), KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS));
	anon_case("anon/touched", TOUCHED);
	anon_case("anon/untouched", UNTOUCHED);
	anon_case("anon/zero_page", ZERO_PAGE);
	driver_case("noncompound", 3, 0, KLAB_M_REMAP, 0);
	driver_case("noncompound", 3, 0, KLAB_M_FAULT, 1);
	driver_case("noncompound", 3, 0, KLAB_M_INSERT, 0);
	driver_case("compound", 3, KLAB_A_COMP, KLAB_M_REMAP, 0);
	driver_case("compound", 3, KLAB_A_COMP, KLAB_M_FAULT, 1);
	driver_case("compound", 3, KLAB_A_COMP, KLAB_M_INSERT, 0);
	driver_case("split", 3, KLAB_A_SPLIT, KLAB_M_REMAP, 0);
	driver_case("split", 3, KLAB_A_SPLIT, KLAB_M_INSERT, 0);
	driver_case("reserved", 3, KLAB_A_RESERVED, KLAB_M_REMAP, 0);
	driver_case("reserved", 3, KLAB_A_RESERVED, KLAB_M_FAULT, 1);
	driver_case("single", 0, 0, KLAB_M_REMAP, 0);
	driver_case("single", 0, 0, KLAB_M_FAULT, 1);
	driver_case("single", 0, 0, KLAB_M_INSERT, 0);
	if (mmio)
		mmio_case(strtoull(mmio, NULL, 0));
	return 0;
}

int cmd_kvmttm(uint32_t n, uint32_t caching)
{
	const unsigned int shown[] = { 0, 1, n / 2, n - 1 };
	uint64_t *pfns = calloc(n, sizeof(*pfns));
	int handle = pfns ? ttm_alloc(n, caching, 0, 1, 1, pfns) : -1;
	unsigned int i, last = ~0u;
	char name[64], *p;

	if (handle < 0)
		return 1;
	snprintf(name, sizeof(name), "ttm/n%u/caching%u/vmf_insert_pfn", n, caching);
	p = map_pages(pfns, n, KLAB_M_FAULT);
	if (p == MAP_FAILED) {
		printf("{\"case\":\"%s\",\"mmap_errno\":%d}\n", name, errno);
	} else {
		for (i = 0; i < 4; i++) {
			if (shown[i] >= n || shown[i] == last)
				continue;
			last = shown[i];
			guest_case(name, p, n * PG, last, pfns[last], 1, last);
		}
		munmap(p, n * PG);
	}
	ttm_free(handle);
	free(pfns);
	return 0;
}

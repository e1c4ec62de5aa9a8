// SPDX-License-Identifier: GPL-2.0
/* ttm_pool_alloc() by way of the module klttm: every page, or the blocks that they form. */
#include "kl.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* With $KL_TRACE the trace runs for the call only, not for the start of this program. */
static void trace(const char *on)
{
	int fd = getenv("KL_TRACE") ? open("/sys/kernel/tracing/tracing_on", O_WRONLY) : -1;

	if (fd < 0)
		return;
	if (write(fd, on, 1) < 0)
		perror("kl: tracing_on");
	close(fd);
}

/*
 * Returns the records of the pages, or NULL; the caller frees them. `just_before` is called last before the call; `line`
 * gets the line that tells about it, which is printed when everything is over: a print could ask for memory.
 */
struct klab_info *ttm_allocate(struct klttm_alloc *a, void (*just_before)(void), char **line)
{
	static char told[160];
	struct klab_info *recs = calloc(a->npages, sizeof(*recs));
	uint64_t start;
	int r;

	*line = told;
	told[0] = 0;
	if (!recs)
		return NULL;
	a->recs = (uintptr_t)recs;
	/* touched now, so that nothing else allocates during the call; not zeros: the compiler knows those of calloc() */
	memset(recs, 1, a->npages * sizeof(*recs));
	trace("1");
	mark("kl: ttm_pool_alloc n %u caching %u", a->npages, a->caching);
	if (just_before)
		just_before();
	start = now_us();
	r = ioctl(fd_klttm, KLTTM_IOC_ALLOC, a);
	start = now_us() - start;
	trace("0");
	snprintf(told, sizeof(told), "# ttm_pool_alloc npages=%u caching=%u page_flags=%#x ioctl=%d ret=%d us=%llu\n", a->npages,
		 a->caching, a->page_flags, r, a->ret, (unsigned long long)start);
	if (r || a->ret) {
		free(recs);
		return NULL;
	}
	return recs;
}

static struct klab_info *allocate(struct klttm_alloc *a)
{
	char *line;
	struct klab_info *recs = ttm_allocate(a, NULL, &line);

	fputs(line, stdout);
	return recs;
}

void ttm_free(uint32_t handle)
{
	ioctl(fd_klttm, KLTTM_IOC_FREE, &handle);
}

static void free_timed(uint32_t handle, uint32_t n, uint32_t caching)
{
	uint64_t start;

	mark("kl: ttm_pool_free n %u caching %u", n, caching);
	start = now_us();
	ttm_free(handle);
	printf("# ttm_pool_free npages=%u us=%llu\n", n, (unsigned long long)(now_us() - start));
}

int ttm_alloc(uint32_t n, uint32_t caching, uint32_t flags, int verbose, int keep, uint64_t *pfns)
{
	struct klttm_alloc a = { .npages = n, .caching = caching, .page_flags = flags };
	struct klab_info *r = allocate(&a);
	uint32_t i;

	if (!r)
		return -1;
	for (i = 0; i < n; i++) {
		if (verbose)
			printf("%u pfn=%#llx refcount=%d page_count=%d mapcount_raw=%d compound=%d reserved=%d lru=%d "
			       "private=%#llx head=%#llx\n",
			       i, (unsigned long long)r[i].pfn, r[i].refcount, r[i].head_refcount, r[i].mapcount_raw,
			       !!(r[i].bits & KLAB_B_COMPOUND), !!(r[i].bits & KLAB_B_RESERVED),
			       !!(r[i].bits & KLAB_B_LRU), (unsigned long long)r[i].private_,
			       (unsigned long long)r[i].head_pfn);
		if (pfns)
			pfns[i] = r[i].pfn;
	}
	free(r);
	fflush(stdout);
	if (!keep)
		free_timed(a.handle, n, caching);
	return a.handle;
}

int cmd_ttm(uint32_t n, uint32_t caching, uint32_t flags)
{
	return ttm_alloc(n, caching, flags, 1, 0, NULL) < 0;
}

/* A page that breaks the rule: consecutive and aligned, counter 1 on the first and 0 on the others, not compound. */
static int irregular(const struct klab_info *first, uint32_t k, uint32_t size)
{
	const struct klab_info *page = first + k;

	return page->pfn != first->pfn + k || first->pfn % size || page->refcount != (k == 0) ||
	       (page->bits & KLAB_B_COMPOUND) || (k && page->private_) || page->mapcount_raw != -1;
}

void print_blocks(const struct klab_info *r, uint32_t n)
{
	uint32_t i, k, size, blocks = 0, zero = 0, odd = 0;

	for (i = 0; i < n; i += size, blocks++) {
		size = r[i].private_ < 16 ? 1u << r[i].private_ : 1;
		if (size > n - i)
			size = n - i;
		for (k = 0; k < size; k++) {
			zero += r[i + k].refcount == 0;
			odd += irregular(r + i, k, size);
		}
		printf("block index=%u pfn=%#llx order=%llu refcount=%d\n", i, (unsigned long long)r[i].pfn,
		       (unsigned long long)r[i].private_, r[i].refcount);
	}
	printf("# blocks=%u pages=%u refcount0=%u irregular=%u\n", blocks, n, zero, odd);
}

int cmd_ttmblocks(uint32_t n, uint32_t caching, int take_lists)
{
	struct klttm_alloc a = { .npages = n, .caching = caching, .take_lists = take_lists };
	struct klab_info *r = allocate(&a);

	if (!r)
		return 1;
	print_blocks(r, n);
	free(r);
	free_timed(a.handle, n, caching);
	return 0;
}

static void show_file(const char *path)
{
	char buf[4096];
	ssize_t n;
	int fd = open(path, O_RDONLY);

	printf("## %s\n", path);
	fflush(stdout);
	if (fd < 0) {
		printf("(errno %d)\n", errno);
		return;
	}
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (write(1, buf, n) < 0)
			break;
	close(fd);
}

int cmd_ttmseq(void)
{
	static const uint32_t sizes[] = { 1, 3, 9, 512, 1000, 1023, 1024, 2025, 8100 };
	uint32_t caching, s;

	show_file("/proc/buddyinfo");
	show_file("/sys/kernel/debug/ttm/page_pool");
	for (caching = 0; caching < 3; caching++) {
		for (s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
			ttm_alloc(sizes[s], caching, 0, 1, 0, NULL);
			show_file("/sys/kernel/debug/ttm/page_pool");
		}
	}
	/* second time round: are pooled blocks handed out again? the last with ZERO_ALLOC */
	ttm_alloc(1000, 1, 0, 1, 0, NULL);
	show_file("/sys/kernel/debug/ttm/page_pool");
	ttm_alloc(1000, 1, 2, 1, 0, NULL);
	show_file("/sys/kernel/debug/ttm/page_pool");
	show_file("/proc/buddyinfo");
	return 0;
}

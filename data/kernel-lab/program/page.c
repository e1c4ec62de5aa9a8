// SPDX-License-Identifier: GPL-2.0
/* Pages as seen from user space: pagemap, struct page's counters, mappings of chosen pages. */
#include "kl.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

void mark(const char *format, ...)
{
	char text[256];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (fd_marker >= 0 && write(fd_marker, text, n) < 0)
		fd_marker = -1;
}

uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ull + t.tv_nsec / 1000;
}

uint64_t pagemap(const void *va)
{
	uint64_t entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	if (fd < 0 || pread(fd, &entry, 8, (uintptr_t)va / PG * 8) != 8)
		entry = 0;
	if (fd >= 0)
		close(fd);
	return entry;
}

struct klab_info page_info(uint64_t pfn)
{
	struct klab_info info = { .pfn = pfn };

	if (ioctl(fd_klab, KLAB_IOC_INFO, &info))
		perror("kl: info");
	return info;
}

void print_info(const char *step, uint64_t pfn)
{
	struct klab_info i = page_info(pfn);
	int k;

	printf("{\"step\":\"%s\",\"pfn\":\"%#llx\",\"refcount\":%d,\"page_count\":%d,"
	       "\"mapcount_raw\":%d,\"compound\":%d,\"head\":%d,\"tail\":%d,\"reserved\":%d,"
	       "\"anon\":%d,\"lru\":%d,\"buddy\":%d,\"nostruct\":%d,\"raw\":[",
	       step, (unsigned long long)pfn, i.refcount, i.head_refcount, i.mapcount_raw,
	       !!(i.bits & KLAB_B_COMPOUND), !!(i.bits & KLAB_B_HEAD), !!(i.bits & KLAB_B_TAIL),
	       !!(i.bits & KLAB_B_RESERVED), !!(i.bits & KLAB_B_ANON), !!(i.bits & KLAB_B_LRU),
	       !!(i.bits & KLAB_B_BUDDY), !!(i.bits & KLAB_B_INVALID));
	for (k = 0; k < 8; k++)
		printf("%s\"%016llx\"", k ? "," : "", (unsigned long long)i.raw[k]);
	printf("]}");
}

void *map_pages(const uint64_t *pfns, unsigned int n, unsigned int kind)
{
	struct klab_map m = { .kind = kind, .npages = n, .pfns = (uintptr_t)pfns };

	if (ioctl(fd_klab, KLAB_IOC_MAP, &m))
		return MAP_FAILED;
	return mmap(NULL, n * PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd_klab, 0);
}

const char *kind_name(unsigned int kind)
{
	static const char *const names[] = { "remap_pfn_range", "vm_insert_page", "vmf_insert_pfn" };

	return names[kind];
}

void pin_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		perror("kl: sched_setaffinity");
}

/* A parameter of the module klab, such as the switch that arms an injection. */
void set_parameter(const char *name, const char *value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/module/klab/parameters/%s", name);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		perror(path);
	if (fd >= 0)
		close(fd);
}

/* Keep the address space, for $KL_HOLD seconds or until killed: its pages may be in a bad state. */
void hold(void)
{
	const char *seconds = getenv("KL_HOLD");

	fflush(stdout);
	if (seconds)
		sleep(atoi(seconds));
}

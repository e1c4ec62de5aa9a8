// SPDX-License-Identifier: GPL-2.0
/*
 * Faults that cross: one vCPU counts in a driver's page whose mapping the driver takes away again and again, a second
 * one walks over fresh memory. Each copy-on-write of the second makes the faults of the first stale, because the
 * invalidation sequence belongs to the whole VM.
 */
#include "kl.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define GPA_DRIVER 0x8000000u

static struct vm vm;
static volatile int walked, stop;
static volatile unsigned int rounds, failed;
static int ret[2], error[2];

static void *walk(void *arg)
{
	pin_to(1);
	vm_walk(&vm, 1, "rw", GPA_TEST, *(unsigned int *)arg, PG);
	ret[1] = vm_run(&vm, 1, &error[1]);
	walked = 1;
	return NULL;
}

static void *count(void *unused)
{
	(void)unused;
	pin_to(0);
	/*
	 * A failed run is tried again: the driver may take the mapping away between the two looks that KVM takes at it,
	 * and that is EFAULT once. A page without references is EFAULT for good on kernels that want one.
	 */
	while (!stop && failed < 1000) {
		vm_walk(&vm, 0, "count", GPA_DRIVER, 20, 0);
		ret[0] = vm_run(&vm, 0, &error[0]);
		if (ret[0])
			failed++;
		else
			rounds++;
	}
	return NULL;
}

static void say(const char *step, uint64_t pfn)
{
	mark("kl: crossed %s pfn %#llx", step, (unsigned long long)pfn);
	printf("{\"crossed\":\"%s\",\"rounds\":%u,\"failed\":%u,\"ret\":[%d,%d],\"errno\":[%d,%d],\"seq\":[", step, rounds, failed, ret[0], ret[1],
	       error[0], error[1]);
	print_info(step, pfn);
	printf("]}\n");
}

int cmd_crossed(const char *block, unsigned int page, unsigned int pages)
{
	struct klab_alloc a = { .order = strcmp(block, "single") ? 3 : 0 };
	const char *left = getenv("KL_LEFT");
	unsigned int zaps = 0;
	pthread_t threads[2];
	uint64_t pfn;
	char *fresh, *p;

	if (page >> a.order || ioctl(fd_klab, KLAB_IOC_ALLOC, &a))
		return 2;
	pfn = a.pfn + page;
	fresh = mmap(NULL, pages * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(fresh, pages * PG, MADV_NOHUGEPAGE);
	p = map_pages(&pfn, 1, KLAB_M_FAULT);
	if (p == MAP_FAILED || vm_open(&vm, fresh, pages * PG, 2) || vm_add_memory(&vm, 2, GPA_DRIVER, p, PG))
		return 2;
	printf("{\"case\":\"crossed/%s/page%u\",\"pages\":%u}\n", block, page, pages);
	say("mapped", pfn);
	set_parameter("stale_left", left ? left : "0");
	pthread_create(&threads[0], NULL, count, NULL);
	pthread_create(&threads[1], NULL, walk, &pages);
	while (!walked) {
		ioctl(fd_klab, KLAB_IOC_ZAP);
		zaps++;
		usleep(200);
	}
	set_parameter("stale_left", "0");
	stop = 1;
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	printf("{\"zaps\":%u}\n", zaps);
	say("crossed", pfn);
	ioctl(fd_klab, KLAB_IOC_ZAP);
	say("unmapped", pfn);
	ioctl(fd_klab, KLAB_IOC_FREE, &a);
	say("freed_by_driver", pfn);
	hold();
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * A driver's conduct while a guest uses its page: the guest counts in the page's first word without pause, the driver
 * replaces the page.
 *	good	gives the mapping a new page, unmaps, then frees the old one
 *	bad	frees without unmapping
 *	insert	vm_insert_page(): drops its own reference first, unmaps later
 * Afterwards somebody else gets the old page and fills it: does the guest still write there?
 */
#include "kl.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define ROUND 2000u		/* counts of the guest between two exits */
#define STRANGER 0xabcd0000u	/* what the next owner writes */

struct user {
	pthread_t thread;
	struct vm vm;
	volatile int stop;
	volatile unsigned int rounds;
	int ret, error;
	uint32_t exit_reason;
};

static void *count(void *arg)
{
	struct user *u = arg;

	pin_to(1);
	while (!u->stop) {
		vm_walk(&u->vm, 0, "count", GPA_TEST, ROUND, 0);
		u->ret = vm_run(&u->vm, 0, &u->error);
		u->exit_reason = u->vm.run[0]->exit_reason;
		if (u->ret || u->exit_reason != KVM_EXIT_IO)
			break;
		u->rounds++;
	}
	return NULL;
}

/* Wait until the guest came round some times more, or stopped; say which. */
static int came_round(const struct user *u, unsigned int more)
{
	unsigned int target = u->rounds + more;
	int patience = 20000;

	while (u->rounds < target && !u->ret && patience--)
		usleep(1000);
	return u->rounds >= target;
}

static uint32_t first_word(uint64_t pfn)
{
	struct klab_word w = { .pfn = pfn };

	ioctl(fd_klab, KLAB_IOC_PEEK, &w);
	return w.value;
}

static void say(const struct user *u, const char *step, uint64_t pfn)
{
	mark("kl: driver %s pfn %#llx", step, (unsigned long long)pfn);
	printf("{\"driver\":\"%s\",\"rounds\":%u,\"ret\":%d,\"errno\":%d,\"exit_reason\":%u,\"word\":\"%#x\",\"seq\":[", step,
	       u->rounds, u->ret, u->error, u->exit_reason, first_word(pfn));
	print_info(step, pfn);
	printf("]}\n");
	fflush(stdout);
}

/* Somebody else allocates until the old frame comes back; returns whether it did. */
static int stranger(uint64_t pfn, unsigned int order, struct klab_alloc *got)
{
	static struct klab_alloc other[4096];
	unsigned int i, n;
	int found = 0;

	for (n = 0; n < 4096 && !found; n++) {
		other[n] = (struct klab_alloc){ .order = order };
		if (ioctl(fd_klab, KLAB_IOC_ALLOC, &other[n]))
			break;
		found = pfn >= other[n].pfn && pfn < other[n].pfn + (1u << order);
	}
	for (i = 0; i + found < n; i++)
		ioctl(fd_klab, KLAB_IOC_FREE, &other[i]);
	if (found)
		*got = other[n - 1];
	return found;
}

static void stranger_writes(struct user *u, uint64_t pfn, unsigned int order)
{
	struct klab_word w = { .pfn = pfn, .value = STRANGER };
	struct klab_alloc a;
	uint32_t before;

	if (!stranger(pfn, order, &a)) {
		printf("{\"driver\":\"nobody_got_the_frame\"}\n");
		return;
	}
	ioctl(fd_klab, KLAB_IOC_POKE, &w);
	before = first_word(pfn);
	came_round(u, 20);
	printf("{\"driver\":\"stranger\",\"written\":\"%#x\",\"read_at_once\":\"%#x\",\"read_later\":\"%#x\",\"changed\":%d}\n",
	       STRANGER, before, first_word(pfn), first_word(pfn) != STRANGER);
	say(u, "stranger_owns", pfn);
	ioctl(fd_klab, KLAB_IOC_FREE, &a);
}

static void conduct_of(const char *conduct, struct user *u, struct klab_alloc *old, struct klab_alloc *new,
		       uint64_t pfn, unsigned int page)
{
	uint64_t other = new->pfn + page;
	struct klab_map m = { .kind = KLAB_M_FAULT, .npages = 1, .pfns = (uintptr_t)&other };

	if (!strcmp(conduct, "good")) {
		ioctl(fd_klab, KLAB_IOC_MAP, &m);
		ioctl(fd_klab, KLAB_IOC_ZAP);
		say(u, "unmapped", pfn);
		ioctl(fd_klab, KLAB_IOC_FREE, old);
		say(u, "freed", pfn);
		came_round(u, 20);
		say(u, "new_page", other);
	} else if (!strcmp(conduct, "bad")) {
		ioctl(fd_klab, KLAB_IOC_FREE, old);
		say(u, "freed_still_mapped", pfn);
		came_round(u, 20);
		say(u, "later", pfn);
	} else {
		ioctl(fd_klab, KLAB_IOC_FREE, old);
		say(u, "driver_put", pfn);
		came_round(u, 20);
		say(u, "still_used", pfn);
		ioctl(fd_klab, KLAB_IOC_ZAP);
		came_round(u, 20);
		say(u, "unmapped", pfn);
	}
}

int cmd_driver(const char *conduct, const char *block, unsigned int page)
{
	unsigned int order = strcmp(block, "single") ? 3 : 0;
	unsigned int flags = !strcmp(block, "compound") ? KLAB_A_COMP : 0;
	unsigned int kind = strcmp(conduct, "insert") ? KLAB_M_FAULT : KLAB_M_INSERT;
	struct klab_alloc old = { .order = order, .flags = flags }, new = old;
	static struct user u;
	uint64_t pfn;
	char *p;
	int r;

	if (page >> order || ioctl(fd_klab, KLAB_IOC_ALLOC, &old) || ioctl(fd_klab, KLAB_IOC_ALLOC, &new))
		return 2;
	pfn = old.pfn + page;
	p = map_pages(&pfn, 1, kind);
	printf("{\"case\":\"driver/%s/%s/page%u/%s\",\"mmap_errno\":%d}\n", conduct, block, page, kind_name(kind),
	       p == MAP_FAILED ? errno : 0);
	if (p == MAP_FAILED)
		return 0;
	r = vm_open(&u.vm, p, PG, 1);
	if (r) {
		printf("{\"vm_open\":%d}\n", r);
		return 1;
	}
	say(&u, "mapped", pfn);
	pthread_create(&u.thread, NULL, count, &u);
	came_round(&u, 20);
	say(&u, "guest_runs", pfn);
	if (u.rounds) {
		conduct_of(conduct, &u, &old, &new, pfn, page);
		stranger_writes(&u, pfn, order);
	}
	u.stop = 1;
	pthread_join(u.thread, NULL);
	say(&u, "end", pfn);
	hold();
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * kl - user side of the page lab: static, no dependencies, JSON lines on standard output.
 *	kl kvm				page kinds by mapping kinds under /dev/kvm
 *	kl kvmttm N CACHING		pages of the kernel's TTM pool in a guest
 *	kl ttm N CACHING [FLAGS]	ttm_pool_alloc(), every page
 *	kl ttmblocks N CACHING [LISTS]	ttm_pool_alloc(), its blocks; LISTS 1: free lists taken just before
 *	kl ttmcounts N CACHING [DRAIN]	the same with /proc of the moment before and after; takes the free lists too;
 *					DRAIN 1: the per-CPU lists are emptied before
 *	kl ttmseq			the standard series of TTM allocations
 *	kl frag N STRIDE COMMAND...	fragment memory, run COMMAND, undo
 *	kl badput N			touch N anonymous pages, put each once too often
 *	kl kvmbad N			a guest reads, then writes N anonymous pages, one at a time
 *	kl storm VCPUS N ACCESS MEMORY	a guest walks by itself; ACCESS rw w r r_then_w, MEMORY fresh touched huge
 *	kl driver CONDUCT BLOCK PAGE	CONDUCT good bad insert, BLOCK single noncompound compound
 *	kl crossed BLOCK PAGE N		one vCPU on a driver's page that is unmapped all the time, another one on N fresh pages
 *	kl lists			take the free lists
 *	kl info PFN...			struct page's counters
 * $KL_CPU: the CPU to stay on. $KL_HOLD: seconds to stay alive at the end. $KL_MMIO_PFN: a frame of a device.
 * $KL_PAUSE: the storm in two halves, so many seconds apart.
 * $KL_TRACE: switch tracing on for the call of ttm_pool_alloc(). $KL_LEFT: how many references may be dropped.
 */
#include "kl.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

int fd_klab = -1, fd_klttm = -1, fd_marker = -1;

static unsigned long number(const char *text)
{
	return strtoul(text, NULL, 0);
}

static int cmd_info(char **pfns)
{
	for (; *pfns; pfns++) {
		print_info("info", strtoull(*pfns, NULL, 0));
		printf("\n");
	}
	return 0;
}

static int dispatch(int n, char **a)
{
	if (!strcmp(a[0], "kvm"))
		return cmd_kvm();
	if (!strcmp(a[0], "kvmttm") && n == 3)
		return cmd_kvmttm(number(a[1]), number(a[2]));
	if (!strcmp(a[0], "ttm") && n >= 3)
		return cmd_ttm(number(a[1]), number(a[2]), n > 3 ? number(a[3]) : 0);
	if (!strcmp(a[0], "ttmblocks") && n >= 3)
		return cmd_ttmblocks(number(a[1]), number(a[2]), n > 3 && number(a[3]));
	if (!strcmp(a[0], "ttmcounts") && n >= 3)
		return cmd_ttmcounts(number(a[1]), number(a[2]), n > 3 && number(a[3]));
	if (!strcmp(a[0], "ttmseq"))
		return cmd_ttmseq();
	if (!strcmp(a[0], "frag") && n >= 4)
		return cmd_frag(number(a[1]), number(a[2]), a + 3);
	if (!strcmp(a[0], "badput") && n == 2)
		return cmd_badput(number(a[1]));
	if (!strcmp(a[0], "kvmbad") && n == 2)
		return cmd_kvmbad(number(a[1]));
	if (!strcmp(a[0], "storm") && n == 5)
		return cmd_storm(number(a[1]), number(a[2]), a[3], a[4]);
	if (!strcmp(a[0], "driver") && n == 4)
		return cmd_driver(a[1], a[2], number(a[3]));
	if (!strcmp(a[0], "crossed") && n == 4)
		return cmd_crossed(a[1], number(a[2]), number(a[3]));
	if (!strcmp(a[0], "lists"))
		return ioctl(fd_klab, KLAB_IOC_LISTS) != 0;
	if (!strcmp(a[0], "info"))
		return cmd_info(a + 1);
	fprintf(stderr, "kl: no such command or wrong number of arguments: %s\n", a[0]);
	return 2;
}

int main(int argc, char **argv)
{
	/* output stays in memory that was touched before: nothing else should enter the LRU batches */
	static char buffer[4 << 20];
	const char *cpu = getenv("KL_CPU");

	if (argc < 2)
		return 2;
	memset(buffer, 1, sizeof(buffer));
	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	if (cpu)
		pin_to(atoi(cpu));
	fd_klab = open("/dev/klab", O_RDWR);
	fd_klttm = open("/dev/klttm", O_RDWR);
	fd_marker = open("/sys/kernel/tracing/trace_marker", O_WRONLY);
	return dispatch(argc - 1, argv + 1);
}

// SPDX-License-Identifier: GPL-2.0
/* The plain injections: a put too many on pages of a process, and at each release while a guest reads and writes. */
#include "kl.h"
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

static void print_ends(char *p, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		printf("{\"i\":%u,\"seq\":[", i);
		print_info("end", PM_PFN(pagemap(p + i * PG)));
		printf("]}\n");
	}
}

static char *small_pages(unsigned int n)
{
	char *p = mmap(NULL, n * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	madvise(p, n * PG, MADV_NOHUGEPAGE);
	return p;
}

int cmd_badput(unsigned int n)
{
	char *p = small_pages(n);
	unsigned int i;
	uint64_t pfn;

	for (i = 0; i < n; i++) {
		p[i * PG] = 1;
		pfn = PM_PFN(pagemap(p + i * PG));
		printf("{\"i\":%u,\"seq\":[", i);
		print_info("touched", pfn);
		ioctl(fd_klab, KLAB_IOC_PUT, &pfn);
		printf(",");
		print_info("extra_put", pfn);
		printf("]}\n");
	}
	print_ends(p, n);
	hold();
	return 0;
}

int cmd_kvmbad(unsigned int n)
{
	char *p = small_pages(n + 1);
	struct vm v;
	unsigned int i;
	int r = vm_open(&v, p, (n + 1) * PG, 1);

	if (r) {
		printf("{\"vm_open\":%d}\n", r);
		return 1;
	}
	/* armed only after the guest's code page is in */
	vm_step(&v, n, STEP_READ);
	printf("{\"i\":-1,\"seq\":[");
	print_run(&v, "read", 0x10);
	printf(",");
	print_run(&v, "write", 0x11);
	printf("]}\n");
	set_parameter("put_left", "100000");
	for (i = 0; i < n; i++) {
		printf("{\"i\":%u,\"va\":\"%p\",\"seq\":[", i, (void *)(p + i * PG));
		vm_step(&v, i, STEP_READ);
		print_run(&v, "read", 0x10);
		printf(",");
		print_run(&v, "write", 0x11);
		printf(",");
		print_info("after_write", PM_PFN(pagemap(p + i * PG)));
		printf("]}\n");
	}
	set_parameter("put_left", "0");
	print_ends(p, n);
	hold();
	return 0;
}

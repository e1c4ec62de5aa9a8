// SPDX-License-Identifier: GPL-2.0
/*
 * The storm: the guest itself walks over fresh anonymous memory, on one or more vCPUs, each on a CPU of its own and
 * over a range of its own.  What is injected, if anything, the module klab was told when it was loaded.
 */
#include "kl.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE (2ul << 20)

struct walker {
	pthread_t thread;
	struct vm *vm;
	int vcpu, ret, error;
	const char *access;
	uint32_t first, pages, pause;
	uint64_t start, us;
};

static pthread_barrier_t ready, go, done;

_Noreturn static void *walk(void *arg)
{
	struct walker *w = arg;

	char name[16];

	/* as QEMU names its vCPUs' threads: the reports say who noticed */
	snprintf(name, sizeof(name), "CPU %d/KVM", w->vcpu);
	pthread_setname_np(pthread_self(), name);
	pin_to(w->vcpu);
	/* once with nothing to do: the code page is in before anything is armed */
	vm_walk(w->vm, w->vcpu, "none", GPA_TEST, 1, PG);
	vm_run(w->vm, w->vcpu, &w->error);
	vm_walk(w->vm, w->vcpu, w->access, GPA_TEST + w->first * PG, w->pause ? w->pages / 2 : w->pages, PG);
	pthread_barrier_wait(&ready);
	pthread_barrier_wait(&go);
	w->start = now_us();
	w->ret = vm_run(w->vm, w->vcpu, &w->error);
	if (w->pause && !w->ret) {
		/* a second walk in another minute: bad_page() then says how many reports it kept back */
		sleep(w->pause);
		vm_walk(w->vm, w->vcpu, w->access, GPA_TEST + (w->first + w->pages / 2) * PG, w->pages - w->pages / 2, PG);
		w->ret = vm_run(w->vm, w->vcpu, &w->error);
	}
	w->us = now_us() - w->start;
	pthread_barrier_wait(&done);
	/* stays: a thread that ends gives its stack back, and that empties its CPU's batches */
	for (;;)
		pause();
}

/* Empty every CPU's batches, so that the first group is a whole one: compaction begins with that. */
static void drain_batches(void)
{
	FILE *f = fopen("/proc/sys/vm/compact_memory", "w");

	if (!f || fputs("1\n", f) < 0 || fclose(f))
		perror("kl: compact_memory");
}

static char *memory_of(const char *kind, size_t len)
{
	size_t room = len + HUGE;
	char *p = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	p = (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
	madvise(p, len, strcmp(kind, "huge") ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
	if (!strcmp(kind, "touched"))
		memset(p, 1, len);
	return p;
}

static void print_walkers(const struct walker *w, unsigned int n)
{
	for (; n; n--, w++)
		printf("{\"vcpu\":%d,\"first\":%u,\"pages\":%u,\"ret\":%d,\"errno\":%d,\"exit_reason\":%u,\"port\":%u,"
		       "\"start_us\":%llu,\"us\":%llu}\n",
		       w->vcpu, w->first, w->pages, w->ret, w->error, w->vm->run[w->vcpu]->exit_reason,
		       w->vm->run[w->vcpu]->exit_reason == KVM_EXIT_IO ? w->vm->run[w->vcpu]->io.port : 0,
		       (unsigned long long)w->start, (unsigned long long)w->us);
}

int cmd_storm(unsigned int vcpus, unsigned int pages, const char *access, const char *memory)
{
	static struct walker w[MAX_VCPUS];
	size_t len = (pages * PG + HUGE - 1) & ~(HUGE - 1);
	const char *left = getenv("KL_LEFT");	/* 0: only count */
	char *p = memory_of(memory, len);
	struct vm vm;
	unsigned int i;
	int r;

	if (!p || !vcpus || vcpus > MAX_VCPUS)
		return 2;
	r = vm_open(&vm, p, len, vcpus);
	if (r) {
		printf("{\"vm_open\":%d}\n", r);
		return 1;
	}
	printf("{\"storm\":{\"vcpus\":%u,\"pages\":%u,\"access\":\"%s\",\"memory\":\"%s\",\"va\":\"%p\"}}\n", vcpus, pages,
	       access, memory, (void *)p);
	pthread_barrier_init(&ready, NULL, vcpus + 1);
	pthread_barrier_init(&go, NULL, vcpus + 1);
	pthread_barrier_init(&done, NULL, vcpus + 1);
	for (i = 0; i < vcpus; i++) {
		w[i] = (struct walker){ .vm = &vm, .vcpu = i, .access = access, .first = i * (pages / vcpus) };
		w[i].pause = getenv("KL_PAUSE") ? atoi(getenv("KL_PAUSE")) : 0;
		w[i].pages = i == vcpus - 1 ? pages - w[i].first : pages / vcpus;
		if (pthread_create(&w[i].thread, NULL, walk, &w[i]))
			return 2;
	}
	pthread_barrier_wait(&ready);
	drain_batches();
	set_parameter("watch_lru", "1");
	set_parameter("stale_left", left ? left : "1000000");
	mark("kl: storm begins");
	pthread_barrier_wait(&go);
	pthread_barrier_wait(&done);
	mark("kl: storm ends");
	set_parameter("stale_left", "0");
	set_parameter("watch_lru", "0");
	print_walkers(w, vcpus);
	for (i = 0; i < pages; i++) {
		printf("{\"i\":%u,\"gfn\":\"%#lx\",\"vcpu\":%u,\"seq\":[", i, GPA_TEST / PG + i,
		       i / (pages / vcpus) < vcpus ? i / (pages / vcpus) : vcpus - 1);
		print_info("end", PM_PFN(pagemap(p + i * PG)));
		printf("]}\n");
	}
	hold();
	return 0;
}

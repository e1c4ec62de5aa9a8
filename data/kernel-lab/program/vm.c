// SPDX-License-Identifier: GPL-2.0
/* A tiny virtual machine: 64 KiB for code, the memory under test above 1 MiB, one or more vCPUs. */
#include "kl.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define CODE_SIZE 0x10000ul
#define KVM_EXIT_MEMORY_FAULT_NR 39	/* newer than the headers that this is built with */

extern const uint8_t guest_step[], guest_step_end[];
extern const uint8_t guest_none[], guest_rw[], guest_w[], guest_r[], guest_r_then_w[], guest_count[], guest_flat_end[];

static const struct {
	const char *name;
	const uint8_t *code;
} walks[] = {
	{ "none", guest_none }, { "rw", guest_rw }, { "w", guest_w }, { "r", guest_r },
	{ "r_then_w", guest_r_then_w }, { "count", guest_count },
};

int kvm_fd(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open("/dev/kvm", O_RDWR);
	return fd;
}

static int set_region(int vm, unsigned int slot, uint64_t gpa, void *mem, size_t len)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot, .guest_phys_addr = gpa, .memory_size = len, .userspace_addr = (uintptr_t)mem,
	};

	return ioctl(vm, KVM_SET_USER_MEMORY_REGION, &r);
}

int vm_add_memory(struct vm *v, unsigned int slot, uint64_t gpa, void *mem, size_t len)
{
	return set_region(v->vm, slot, gpa, mem, len);
}

int vm_open(struct vm *v, void *mem, size_t len, int vcpus)
{
	int i;

	memset(v, 0, sizeof(*v));
	if (kvm_fd() < 0 || vcpus > MAX_VCPUS)
		return -ENODEV;
	v->vm = ioctl(kvm_fd(), KVM_CREATE_VM, 0);
	if (v->vm < 0)
		return -errno;
	v->code = mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (v->code == MAP_FAILED)
		return -errno;
	memcpy(v->code + STEP_READ, guest_step, guest_step_end - guest_step);
	memcpy(v->code + FLAT, guest_none, guest_flat_end - guest_none);
	if (set_region(v->vm, 0, 0, v->code, CODE_SIZE) || set_region(v->vm, 1, GPA_TEST, mem, len))
		return -errno;
	v->run_size = ioctl(kvm_fd(), KVM_GET_VCPU_MMAP_SIZE, 0);
	for (i = 0; i < vcpus; i++) {
		v->vcpu[i] = ioctl(v->vm, KVM_CREATE_VCPU, i);
		if (v->vcpu[i] < 0)
			return -errno;
		v->run[i] = mmap(NULL, v->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->vcpu[i], 0);
		if (v->run[i] == MAP_FAILED)
			return -errno;
		v->n++;
	}
	return 0;
}

void vm_close(struct vm *v)
{
	int i;

	for (i = 0; i < v->n; i++) {
		munmap(v->run[i], v->run_size);
		close(v->vcpu[i]);
	}
	close(v->vm);
	munmap(v->code, CODE_SIZE);
}

/* Real mode: the next run does one access to a page of the memory under test. */
int vm_step(struct vm *v, unsigned int page, unsigned int rip)
{
	struct kvm_regs r = { .rip = rip, .rflags = 2, .rsp = 0x8000 };
	struct kvm_sregs s;

	if (ioctl(v->vcpu[0], KVM_GET_SREGS, &s))
		return -errno;
	s.cs.base = 0;
	s.cs.selector = 0;
	s.ds.base = GPA_TEST + page * PG;
	if (ioctl(v->vcpu[0], KVM_SET_SREGS, &s) || ioctl(v->vcpu[0], KVM_SET_REGS, &r))
		return -errno;
	return 0;
}

static struct kvm_segment flat(unsigned int type, unsigned int selector)
{
	return (struct kvm_segment){
		.limit = 0xffffffff, .selector = selector, .type = type, .present = 1, .db = 1, .s = 1, .g = 1,
	};
}

/* Flat 32 bit: the next run of a vCPU walks over pages by itself, with the named kind of access. */
int vm_walk(struct vm *v, int vcpu, const char *access, uint32_t gpa, uint32_t pages, uint32_t stride)
{
	struct kvm_regs r = { .rflags = 2, .rdi = gpa, .rcx = pages, .rsi = stride };
	struct kvm_sregs s;
	size_t i;

	for (i = 0; i < sizeof(walks) / sizeof(*walks); i++)
		if (!strcmp(walks[i].name, access))
			r.rip = FLAT + (walks[i].code - guest_none);
	if (!r.rip)
		return -EINVAL;
	if (ioctl(v->vcpu[vcpu], KVM_GET_SREGS, &s))
		return -errno;
	s.cr0 |= 1;
	s.cs = flat(11, 8);
	s.ds = s.es = s.ss = s.fs = s.gs = flat(3, 16);
	if (ioctl(v->vcpu[vcpu], KVM_SET_SREGS, &s) || ioctl(v->vcpu[vcpu], KVM_SET_REGS, &r))
		return -errno;
	return 0;
}

int vm_run(struct vm *v, int vcpu, int *error)
{
	int r;

	v->run[vcpu]->exit_reason = 0xffff;	/* shows an exit that leaves it alone */
	do {
		r = ioctl(v->vcpu[vcpu], KVM_RUN, 0);
	} while (r < 0 && errno == EINTR);
	*error = r < 0 ? errno : 0;
	return r;
}

void print_run(struct vm *v, const char *what, int want_port)
{
	struct kvm_run *run = v->run[0];
	uint64_t start = now_us();
	int r, error;

	mark("kl: KVM_RUN %s", what);
	r = vm_run(v, 0, &error);
	mark("kl: KVM_RUN %s -> %d errno %d exit %u", what, r, error, run->exit_reason);
	printf("{\"run\":\"%s\",\"ret\":%d,\"errno\":%d,\"exit_reason\":%u,", what, r, error, run->exit_reason);
	if (run->exit_reason == KVM_EXIT_IO)
		printf("\"port\":%u,\"val\":%u,", run->io.port, *((uint8_t *)run + run->io.data_offset));
	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		printf("\"suberror\":%u,", run->internal.suberror);
	if (run->exit_reason == KVM_EXIT_MMIO)
		printf("\"mmio\":\"%#llx\",\"w\":%u,", (unsigned long long)run->mmio.phys_addr, run->mmio.is_write);
	if (run->exit_reason == KVM_EXIT_MEMORY_FAULT_NR) {
		const unsigned long long *fault = (const unsigned long long *)&run->hw;

		printf("\"mf_flags\":%llu,\"mf_gpa\":\"%#llx\",\"mf_size\":%llu,", fault[0], fault[1], fault[2]);
	}
	printf("\"ok\":%d,\"us\":%llu}", r == 0 && run->exit_reason == KVM_EXIT_IO && run->io.port == want_port,
	       (unsigned long long)(now_us() - start));
}

/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of the program kl share. */
#ifndef KL_H
#define KL_H
#define _GNU_SOURCE
#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "../module/klab_uapi.h"

#define PG 4096ul
#define GPA_TEST 0x100000ul	/* where the memory under test lies in the guest */
#define MAX_VCPUS 8

extern int fd_klab, fd_klttm, fd_marker;

/* page.c */
#define PM_PFN(e) ((e) & ((1ull << 55) - 1))
uint64_t now_us(void);
void mark(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint64_t pagemap(const void *va);
struct klab_info page_info(uint64_t pfn);
void print_info(const char *step, uint64_t pfn);
void *map_pages(const uint64_t *pfns, unsigned int n, unsigned int kind);
const char *kind_name(unsigned int kind);
void pin_to(int cpu);
void set_parameter(const char *name, const char *value);
void hold(void);

/* vm.c */
struct vm {
	int vm, n;
	int vcpu[MAX_VCPUS];
	size_t run_size;
	struct kvm_run *run[MAX_VCPUS];
	uint8_t *code;
};
enum guest_code { STEP_READ = 0x1000, STEP_WRITE = 0x1005, FLAT = 0x2000 };
int kvm_fd(void);
int vm_open(struct vm *v, void *mem, size_t len, int vcpus);
int vm_add_memory(struct vm *v, unsigned int slot, uint64_t gpa, void *mem, size_t len);
void vm_close(struct vm *v);
int vm_step(struct vm *v, unsigned int page, unsigned int rip);
int vm_walk(struct vm *v, int vcpu, const char *access, uint32_t gpa, uint32_t pages, uint32_t stride);
int vm_run(struct vm *v, int vcpu, int *error);
void print_run(struct vm *v, const char *what, int want_port);

/* the commands */
int cmd_kvm(void);
int cmd_kvmttm(uint32_t n, uint32_t caching);
int cmd_ttm(uint32_t n, uint32_t caching, uint32_t flags);
int cmd_ttmseq(void);
int cmd_ttmblocks(uint32_t n, uint32_t caching, int take_lists);
int ttm_alloc(uint32_t n, uint32_t caching, uint32_t flags, int verbose, int keep, uint64_t *pfns);
void ttm_free(uint32_t handle);
struct klab_info *ttm_allocate(struct klttm_alloc *a, void (*just_before)(void), char **line);
void print_blocks(const struct klab_info *r, uint32_t n);
int cmd_ttmcounts(uint32_t n, uint32_t caching, int drained);
int cmd_badput(unsigned int n);
int cmd_kvmbad(unsigned int n);
int cmd_storm(unsigned int vcpus, unsigned int pages, const char *access, const char *memory);
int cmd_crossed(const char *block, unsigned int page, unsigned int pages);
int cmd_driver(const char *conduct, const char *block, unsigned int page);
int cmd_frag(uint64_t npages, unsigned int stride, char **command);
#endif

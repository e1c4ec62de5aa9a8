// SPDX-License-Identifier: GPL-2.0
/*
 * One buffer of ttm_pool_alloc() with the texts of /proc of the very moment before and after it. Everything that costs
 * memory is done before: files are open and were read once, their texts have a place, the buffer's vectors are made. So
 * between the last text and the call nothing of this program asks for a page, and no other program is started.
 * With DRAIN the per-CPU lists are emptied before the texts, which then count every free page.
 */
#include "kl.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TEXT (64u << 10)

struct text {
	const char *path;
	int fd, n;
	char data[TEXT];
};

/* the counters of events first: all that happens from then on is in the difference to those after the call */
static struct text before[] = {
	{ .path = "/proc/vmstat" },
	{ .path = "/proc/zoneinfo" },
	{ .path = "/proc/pagetypeinfo" },
	{ .path = "/proc/buddyinfo" },
};
static struct text after[] = { { .path = "/proc/buddyinfo" }, { .path = "/proc/vmstat" } };

static void read_again(struct text *text)
{
	ssize_t n;

	if (lseek(text->fd, 0, SEEK_SET))
		return;
	for (text->n = 0; text->n < (int)TEXT; text->n += n) {
		n = read(text->fd, text->data + text->n, TEXT - text->n);
		if (n <= 0)
			break;
	}
}

static int get_ready(struct text *texts, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		memset(texts[i].data, 1, TEXT);
		texts[i].fd = open(texts[i].path, O_RDONLY);
		if (texts[i].fd < 0) {
			perror(texts[i].path);
			return -1;
		}
		read_again(texts + i);
	}
	return 0;
}

static int drain;

#define COUNT(texts) (sizeof(texts) / sizeof(*(texts)))

static void read_before(void)
{
	unsigned int i;

	if (drain && ioctl(fd_klab, KLAB_IOC_DRAIN))
		perror("kl: drain");
	for (i = 0; i < COUNT(before); i++)
		read_again(before + i);
}

static void show(const struct text *texts, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		printf("## %s\n%.*s", texts[i].path, texts[i].n, texts[i].data);
}

int cmd_ttmcounts(uint32_t n, uint32_t caching, int drained)
{
	struct klttm_alloc a = { .npages = n, .caching = caching, .take_lists = 1 };
	struct klab_info *r;
	char *line;
	unsigned int i;

	drain = drained;
	/* the first time costs memory */
	if (drained && ioctl(fd_klab, KLAB_IOC_DRAIN)) {
		perror("kl: drain");
		return 1;
	}
	if (get_ready(before, COUNT(before)) || get_ready(after, COUNT(after)))
		return 1;
	if (ioctl(fd_klttm, KLTTM_IOC_PREPARE, &a)) {
		perror("kl: prepare");
		return 1;
	}
	r = ttm_allocate(&a, read_before, &line);
	for (i = 0; i < COUNT(after); i++)
		read_again(after + i);
	show(before, COUNT(before));
	fputs(line, stdout);
	if (r)
		print_blocks(r, n);
	show(after, COUNT(after));
	if (!r)
		return 1;
	free(r);
	ttm_free(a.handle);
	return 0;
}

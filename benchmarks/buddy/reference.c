/* The same algorithm as kvmlab.memory with per-CPU lists, migratetype fallbacks and the event log switched off:
 * circular lists with a head for each order and type, linked through the pages; smallest sufficient block from the
 * head; merge on free; tail placement when the parent's buddy is free. Written for the benchmark, nothing else uses it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ORDERS = 11, TYPES = 6, INNER = 0xff, ALLOCATED = 0x80, PB_ORDER = 9, MAX_ORDER = 10 };

static int32_t *next, *prev;
static uint8_t *page, *block;
static int64_t pages, nr_free[ORDERS], free_pages;

static inline int64_t list_of(int order, int type) { return pages + order * TYPES + type; }

static inline void add_head(int64_t head, int64_t i)
{
	int32_t first = next[head];

	next[i] = first; prev[i] = head; prev[first] = i; next[head] = i;
}

static inline void add_tail(int64_t head, int64_t i)
{
	int32_t last = prev[head];

	prev[i] = last; next[i] = head; next[last] = i; prev[head] = i;
}

static inline void take_off(int64_t i, int order)
{
	int32_t before = prev[i], after = next[i];

	next[before] = after; prev[after] = before;
	nr_free[order]--; page[i] = INNER;
}

static inline int64_t get(int order, int type)
{
	for (int current = order; current < ORDERS; current++) {
		int64_t head = list_of(current, type), i = next[head];

		if (i == head)
			continue;
		take_off(i, current);
		while (current > order) {
			int64_t upper = i + (1 << --current);

			add_head(list_of(current, type), upper);
			page[upper] = current; nr_free[current]++;
		}
		free_pages -= 1 << order;
		page[i] = ALLOCATED | order; next[i] = -1; prev[i] = -1;
		return i;
	}
	return -1;
}

static inline void put_one(int64_t i, int order, int type)
{
	int64_t buddy = i;
	int tail = 0;

	free_pages += 1 << order;
	while (order < MAX_ORDER) {
		buddy = i ^ (1 << order);
		if (buddy >= pages || page[buddy] != order)
			break;
		if (order >= PB_ORDER && (block[buddy >> PB_ORDER] & 7) != type)
			block[buddy >> PB_ORDER] = (block[buddy >> PB_ORDER] & ~7) | type;
		take_off(buddy, order);
		i &= buddy; order++;
	}
	page[i] = order;
	if (order < MAX_ORDER - 1) {
		int64_t parent_buddy = (i & buddy) ^ (1 << (order + 1));

		tail = parent_buddy < pages && page[parent_buddy] == order + 1;
	}
	if (tail)
		add_tail(list_of(order, type), i);
	else
		add_head(list_of(order, type), i);
	nr_free[order]++;
}

static inline void put(int64_t i, int order)
{
	int size = order > PB_ORDER ? PB_ORDER : order;

	page[i] = INNER;
	for (int64_t part = i; part < i + (1 << order); part += 1 << size)
		put_one(part, size, block[part >> PB_ORDER] & 7);
}

void boot(int64_t n)
{
	if (n != pages) {
		free(next); free(prev); free(page); free(block);
		pages = n;
		next = calloc(n + ORDERS * TYPES, 4); prev = calloc(n + ORDERS * TYPES, 4);
		page = malloc(n); block = malloc(n >> PB_ORDER);
	}
	memset(page, INNER, n);
	memset(block, 0, n >> PB_ORDER);
	memset(nr_free, 0, sizeof(nr_free));
	for (int64_t i = n; i < n + ORDERS * TYPES; i++)
		next[i] = prev[i] = i;
	for (int64_t i = 0; i < n; i += 1 << MAX_ORDER) {
		add_tail(list_of(MAX_ORDER, 0), i);
		page[i] = MAX_ORDER; nr_free[MAX_ORDER]++;
	}
	free_pages = n;
}

int64_t churn(int64_t ops, const int64_t *order, const int64_t *pick, int64_t cap, int32_t *live, uint8_t *live_order)
{
	int64_t held = 0, used = 0;

	for (int64_t k = 0; k < ops; k++) {
		if (used < cap && ((pick[k] & 3) || !held)) {
			int o = order[k];
			int64_t i = get(o, 0);

			if (i < 0)
				continue;
			live[held] = i; live_order[held++] = o; used += 1 << o;
		} else {
			int64_t j = pick[k] % held, i = live[j];
			int o = live_order[j];

			held--; live[j] = live[held]; live_order[j] = live_order[held];
			put(i, o); used -= 1 << o;
		}
	}
	return used;
}

void counts(int64_t *out)
{
	memcpy(out, nr_free, sizeof(nr_free));
}

/*
 * KVM's fault path under the policy `refcounted-page` (6.13 and later), anonymous memory, one mm thread that zaps, one
 * folio batch: the system that kvmlab explores as Config(policy d, vcpus=V, gfns=G, pages=P, batch=B, zaps=Z), with
 * exactly the same reachable states and steps. Every step is a d_step, as it is atomic there.
 *
 *   spin -a -DV=3 -DG=2 -DP=2 -DB=2 -DZ=1 model.pml && gcc -O2 -DSAFETY -DNOREDUCE -o pan pan.c && ./pan -m10000000 -w26
 */
#define FREE 0
#define ANON 1
#define LEAKED 3

/* What a PTE, an SPTE or a lookup holds: nothing, the zero page, or PAGE + frame. */
#define NOTHING 0
#define ZERO 1
#define PAGE 2

/* Where a vCPU is in its fault, and the mm thread in its zap. */
#define IDLE 0
#define EARLY 1
#define LOOKUP 2
#define COPY 3
#define COWEND 4
#define LATE 5
#define LOCKED 6
#define STARTED 1
#define GATHERED 2
#define CLEARED 3

byte use[P];
byte ref[P];
byte mapped[P];
byte batch[B];
byte pte[G];
byte spte[G];
byte busy[G];                        /* invalidations in progress */
byte pc[V];
byte gfn[V];
bit wants[V];                        /* 1: write */
bit stale[V];
byte got[V];
byte mmpc;
byte mmgfn;
byte mmpage;
byte left = Z;
hidden byte i;
hidden byte k;

#define STALE(v) (busy[gfn[v]] || stale[v])
#define FORGET(v) pc[v] = IDLE; gfn[v] = 0; wants[v] = 0; stale[v] = 0; got[v] = NOTHING

/* The put that takes the count to 0 frees the page, or leaks it if something still maps it. */
inline put(page) {
  ref[page]--;
  if
  :: ref[page] == 0 && mapped[page] -> use[page] = LEAKED
  :: ref[page] == 0 && !mapped[page] -> use[page] = FREE
  :: else
  fi
}

inline drain() {
  i = 0;
  do
  :: i < B ->
     if
     :: batch[i] -> k = batch[i] - 1; batch[i] = 0; put(k)
     :: else
     fi;
     i++
  :: else -> break
  od;
  k = 0
}

/* Allocate the lowest free frame for a gfn: mapped once, one reference of the PTE, one of the batch. */
inline mapnew(g) {
  k = 0;
  do
  :: k < P && use[k] != FREE -> k++
  :: else -> break
  od;
  use[k] = ANON; ref[k] = 2; mapped[k]++; pte[g] = PAGE + k;
  i = 0;
  do
  :: batch[i] -> i++
  :: else -> break
  od;
  batch[i] = k + 1;
  if
  :: i == B - 1 -> drain()
  :: else
  fi;
  k = 0
}

inline ended(g) {
  busy[g]--;
  i = 0;
  do
  :: i < V ->
     if
     :: pc[i] != IDLE -> stale[i] = 1
     :: else
     fi;
     i++
  :: else -> break
  od;
  i = 0
}

#define FAULT(v,g,w) pc[v] == IDLE && (spte[g] == NOTHING || (w && spte[g] == ZERO)) -> pc[v] = EARLY; gfn[v] = g; wants[v] = w
#if P == 2
#define ROOM (use[0] == FREE || use[1] == FREE)
#else
#define ROOM (use[0] == FREE || use[1] == FREE || use[2] == FREE)
#endif

/* The first V processes, so a vCPU's number is its process id. */
#define v _pid
active [V] proctype vcpu() {
  end: do
  :: d_step { FAULT(v, 0, 0) }
  :: d_step { FAULT(v, 0, 1) }
#if G > 1
  :: d_step { FAULT(v, 1, 0) }
  :: d_step { FAULT(v, 1, 1) }
#endif
  :: d_step { pc[v] == EARLY && STALE(v) -> FORGET(v) }
  :: d_step { pc[v] == EARLY && !STALE(v) -> pc[v] = LOOKUP }
  :: d_step { pc[v] == LOOKUP && pte[gfn[v]] == NOTHING && !wants[v] -> pte[gfn[v]] = ZERO }
  :: d_step { pc[v] == LOOKUP && pte[gfn[v]] == NOTHING && wants[v] && ROOM -> mapnew(gfn[v]) }
  :: d_step { pc[v] == LOOKUP && pte[gfn[v]] == ZERO && wants[v] -> pc[v] = COPY; busy[gfn[v]]++; spte[gfn[v]] = NOTHING }
  :: d_step { pc[v] == LOOKUP && pte[gfn[v]] == ZERO && !wants[v] -> pc[v] = LATE; got[v] = ZERO }
  :: d_step { pc[v] == LOOKUP && pte[gfn[v]] >= PAGE -> pc[v] = LATE; got[v] = pte[gfn[v]]; ref[got[v] - PAGE]++ }
  :: d_step { pc[v] == COPY && pte[gfn[v]] == ZERO && ROOM -> pc[v] = COWEND; mapnew(gfn[v]) }
  :: d_step { pc[v] == COPY && pte[gfn[v]] != ZERO -> pc[v] = COWEND }
  :: d_step { pc[v] == COWEND -> ended(gfn[v]); pc[v] = LOOKUP }
  :: d_step { pc[v] == LATE && !STALE(v) -> pc[v] = LOCKED }
  :: d_step { pc[v] == LATE && STALE(v) && got[v] == ZERO -> FORGET(v) }
  :: d_step { pc[v] == LATE && STALE(v) && got[v] >= PAGE -> put(got[v] - PAGE); FORGET(v) }
  :: d_step { pc[v] == LOCKED && STALE(v) && got[v] == ZERO -> FORGET(v) }
  :: d_step { pc[v] == LOCKED && STALE(v) && got[v] >= PAGE -> put(got[v] - PAGE); FORGET(v) }
  :: d_step { pc[v] == LOCKED && !STALE(v) && got[v] == ZERO -> spte[gfn[v]] = ZERO; FORGET(v) }
  :: d_step { pc[v] == LOCKED && !STALE(v) && got[v] >= PAGE -> spte[gfn[v]] = got[v]; put(got[v] - PAGE); FORGET(v) }
  od
}

#undef v

active proctype mm() {
  end: do
  :: d_step { mmpc == IDLE && left -> mmgfn = (Z - left) % G; left--; busy[mmgfn]++; spte[mmgfn] = NOTHING; mmpc = STARTED }
  :: d_step { mmpc == STARTED && pte[mmgfn] < PAGE -> pte[mmgfn] = NOTHING; mmpc = CLEARED }
  :: d_step { mmpc == STARTED && pte[mmgfn] >= PAGE ->
       mmpage = pte[mmgfn]; mapped[mmpage - PAGE]--; pte[mmgfn] = NOTHING; mmpc = GATHERED }
  :: d_step { mmpc == GATHERED -> put(mmpage - PAGE); mmpage = 0; mmpc = CLEARED }
  :: d_step { mmpc == CLEARED -> ended(mmgfn); mmgfn = 0; mmpc = IDLE }
  od
}

active proctype lru() {
  end: do
  :: d_step { batch[0] -> drain() }
  od
}

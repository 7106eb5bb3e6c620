// The native runtime of the cpu device: a thread pool that walks a whole command list in one call. It is C text,
// compiled and cached like kernels, and reached through koffi.
//
// A command list is an array of doubles, which hold addresses and extents exactly (below 2^53) and which JavaScript
// writes without allocating:
//   launch: 0, words to skip, arguments, symbols, local bytes, phases, slot..., symbol..., (function, extent, grain)...
//   copy:   1, words to skip, from slot, to slot, bytes
// Slots and symbols refer to the two arrays given with the list. A phase no longer than its grain runs on the calling
// thread and wakes nobody. Any other is divided evenly: a thread takes its own part in chunks, always the same part of the
// same extent, so that it meets what it left in its caches; then chunks of the parts of those that are late.

import type { Koffi } from "./koffi.js";

export const RUNTIME_SOURCE = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

typedef int64_t i64;
typedef void (*Phase)(char **, const i64 *, i64, i64, char *);
typedef struct { char *memory; i64 bytes; } Workspace;

/* A phase being run. */
typedef struct {
  Phase run;
  char **args;
  const i64 *symbols;
  i64 extent, chunk, localBytes;
} Job;

/* The iterations of a job that one thread begins with: those from next on are not yet taken. */
typedef struct {
  _Alignas(128) i64 next;
  i64 end;
} Part;

/* Fields that different threads write lie in different cache lines. */
typedef struct {
  Job job;
  int threads, started, stopping;
  pthread_t *handles;
  Part *parts;
  pthread_mutex_t mutex;
  pthread_cond_t wake;
  Workspace own;
  _Alignas(128) int open;      /* the job may be entered */
  unsigned epoch;              /* counts jobs */
  _Alignas(128) int inside;    /* workers that may be using the job */
  _Alignas(128) int sleeping;  /* workers waiting on the condition */
  int failed;                  /* a workspace could not be allocated */
  int entered;                 /* workers that have begun, which numbers them */
} Pool;

#define LOAD(x) __atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define STORE(x, value) __atomic_store_n(&(x), (value), __ATOMIC_SEQ_CST)
#define ADD(x, value) __atomic_fetch_add(&(x), (value), __ATOMIC_SEQ_CST)

enum { SPIN_NANOSECONDS = 200000 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* Whether this process may use tile registers. Linux saves them for those that have asked, for all their threads. */
int brisc_tiles(void) {
#if defined(__linux__) && defined(__x86_64__)
  enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
  return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
#else
  return 0;
#endif
}

/* Large pages, where the system has them: small ones cost a walk through tables for every few rows of a tile. */
void brisc_advise(uintptr_t start, i64 bytes) {
#ifdef MADV_HUGEPAGE
  madvise((void *)start, (size_t)bytes, MADV_HUGEPAGE);
#endif
}

enum { LARGE_PAGE = 2 << 20 };

static int reserve(Workspace *w, i64 bytes) {
  if (bytes <= w->bytes) return 1;
  free(w->memory);
  void *memory = NULL;
  w->bytes = 0;
  w->memory = NULL;
  int large = bytes >= LARGE_PAGE;
  if (large) bytes = (bytes + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
  if (posix_memalign(&memory, large ? LARGE_PAGE : 64, (size_t)bytes) != 0) return 0;
  if (large) brisc_advise((uintptr_t)memory, bytes);
  w->memory = memory;
  w->bytes = bytes;
  return 1;
}

/* After a failure all parts are moved to their ends, so that no thread goes on. */
static void work(Pool *pool, Workspace *w, int self) {
  const Job *job = &pool->job;
  if (!reserve(w, job->localBytes)) {
    STORE(pool->failed, 1);
    for (int i = 0; i < pool->threads; i++) STORE(pool->parts[i].next, pool->parts[i].end);
    return;
  }
  for (int i = 0; i < pool->threads; i++) {
    Part *part = &pool->parts[(self + i) % pool->threads];
    for (;;) {
      i64 begin = ADD(part->next, job->chunk);
      if (begin >= part->end) break;
      i64 end = begin + job->chunk < part->end ? begin + job->chunk : part->end;
      job->run(job->args, job->symbols, begin, end, w->memory);
    }
  }
}

/* Waits for another epoch: spinning first, since the next job is mostly near, then asleep. */
static unsigned await_epoch(Pool *pool, unsigned seen) {
  double limit = now() + SPIN_NANOSECONDS;
  do {
    for (int i = 0; i < 32; i++) {
      unsigned epoch = LOAD(pool->epoch);
      if (epoch != seen) return epoch;
      relax();
    }
  } while (now() < limit);
  pthread_mutex_lock(&pool->mutex);
  ADD(pool->sleeping, 1);
  while (LOAD(pool->epoch) == seen) pthread_cond_wait(&pool->wake, &pool->mutex);
  ADD(pool->sleeping, -1);
  pthread_mutex_unlock(&pool->mutex);
  return LOAD(pool->epoch);
}

static void *worker(void *data) {
  Pool *pool = data;
  Workspace w = {0};
  int self = ADD(pool->entered, 1) + 1;
  unsigned seen = 0;
  for (;;) {
    seen = await_epoch(pool, seen);
    if (LOAD(pool->stopping)) break;
    /* Either this thread sees the job closed, or the one that closed it sees this thread inside and waits. */
    ADD(pool->inside, 1);
    if (LOAD(pool->open)) work(pool, &w, self);
    ADD(pool->inside, -1);
  }
  free(w.memory);
  return NULL;
}

/* Signals stay with the threads that know how to handle them. */
static void start(Pool *pool) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (int i = 0; i < pool->threads - 1; i++) {
    if (pthread_create(&pool->handles[pool->started], NULL, worker, pool) != 0) break;
    pool->started++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pool->threads = pool->started + 1;
}

static void announce(Pool *pool) {
  ADD(pool->epoch, 1);
  if (LOAD(pool->sleeping) == 0) return;
  pthread_mutex_lock(&pool->mutex);
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->mutex);
}

static int run_phase(Pool *pool, const Job *job, i64 grain) {
  if (job->extent <= 0) return 1;
  if (job->extent <= grain || pool->threads == 1) {
    if (!reserve(&pool->own, job->localBytes)) return 0;
    job->run(job->args, job->symbols, 0, job->extent, pool->own.memory);
    return 1;
  }
  if (pool->started == 0) start(pool);
  pool->job = *job;
  /* Several chunks a thread level out their speeds. */
  i64 even = (job->extent + pool->threads * 4 - 1) / (pool->threads * 4);
  pool->job.chunk = even > grain ? even : grain;
  for (int i = 0; i < pool->threads; i++) {
    pool->parts[i].end = job->extent * (i + 1) / pool->threads;
    STORE(pool->parts[i].next, job->extent * i / pool->threads);
  }
  STORE(pool->open, 1);
  announce(pool);
  work(pool, &pool->own, 0);
  STORE(pool->open, 0);
  for (int spins = 0; LOAD(pool->inside) != 0; spins++) {
    if (spins < 4096) relax();
    else sched_yield();
  }
  if (!LOAD(pool->failed)) return 1;
  STORE(pool->failed, 0);
  return 0;
}

static inline char *address(double x) { return (char *)(uintptr_t)x; }

static int launch(Pool *pool, const double *w, const double *slots, const double *symbols) {
  int args = (int)w[2], count = (int)w[3], phases = (int)w[5];
  char *pointers[args + 1];
  i64 values[count + 1];
  for (int i = 0; i < args; i++) pointers[i] = address(slots[(i64)w[6 + i]]);
  for (int i = 0; i < count; i++) values[i] = (i64)symbols[(i64)w[6 + args + i]];
  const double *phase = w + 6 + args + count;
  for (int i = 0; i < phases; i++, phase += 3) {
    Job job = {(Phase)address(phase[0]), pointers, values, (i64)phase[1], 0, (i64)w[4]};
    if (!run_phase(pool, &job, (i64)phase[2])) return 0;
  }
  return 1;
}

/* Runs a list; gives -1, or the number of the command that found no memory. Times are in nanoseconds. */
int brisc_run(Pool *pool, const double *words, i64 commands, const double *slots, const double *symbols,
              double *times) {
  for (i64 i = 0; i < commands; i++, words += (i64)words[1]) {
    double begin = times ? now() : 0;
    if (words[0] == 0) {
      if (!launch(pool, words, slots, symbols)) return (int)i;
    } else {
      memmove(address(slots[(i64)words[3]]), address(slots[(i64)words[2]]), (size_t)words[4]);
    }
    if (times) times[i] = now() - begin;
  }
  return -1;
}

/* Threads start with the first phase that is worth it. Their code must outlive every handle to this library. */
uintptr_t brisc_create(int threads) {
  Dl_info self;
  if (dladdr((void *)brisc_run, &self) != 0) dlopen(self.dli_fname, RTLD_NOW | RTLD_NODELETE);
  void *memory = NULL;
  void *parts = NULL;
  if (posix_memalign(&memory, 128, sizeof(Pool)) != 0) return 0;
  if (posix_memalign(&parts, 128, sizeof(Part) * (size_t)threads) != 0) return 0;
  Pool *pool = memset(memory, 0, sizeof(Pool));
  pool->threads = threads;
  pool->parts = parts;
  pool->handles = calloc((size_t)threads, sizeof(pthread_t));
  pthread_mutex_init(&pool->mutex, NULL);
  pthread_cond_init(&pool->wake, NULL);
  return (uintptr_t)pool;
}

void brisc_destroy(Pool *pool) {
  STORE(pool->stopping, 1);
  announce(pool);
  for (int i = 0; i < pool->started; i++) pthread_join(pool->handles[i], NULL);
  pthread_cond_destroy(&pool->wake);
  pthread_mutex_destroy(&pool->mutex);
  free(pool->handles);
  free(pool->parts);
  free(pool->own.memory);
  free(pool);
}

uintptr_t brisc_open(const char *path) { return (uintptr_t)dlopen(path, RTLD_NOW | RTLD_LOCAL); }
const char *brisc_open_error(void) { return dlerror(); }
uintptr_t brisc_symbol(uintptr_t library, const char *name) { return (uintptr_t)dlsym((void *)library, name); }
`;

/** Addresses are numbers: user space ends far below 2^53. */
export interface Runtime {
  /** Loads a shared object for good; 0 if that fails. */
  open(path: string): number;
  openError(): string | null;
  symbol(library: number, name: string): number;
  /** Asks for large pages for memory; `start` is a multiple of a page. */
  advise(start: number, bytes: number): void;
  /** Asks for permission to use tile registers; true if it is given. */
  tiles(): boolean;
  create(threads: number): number;
  destroy(pool: number): void;
  /** The arguments of `brisc_run`; gives -1, or the command for which there was no memory. */
  run(pool: number, words: number, commands: number, slots: number, symbols: number, times: number): number;
}

/** Binds the compiled runtime. */
export function bindRuntime(koffi: Koffi, path: string): Runtime {
  const library = koffi.load(path);
  const open = library.func("uintptr_t brisc_open(const char *path)");
  const openError = library.func("const char *brisc_open_error()");
  const symbol = library.func("uintptr_t brisc_symbol(uintptr_t library, const char *name)");
  const advise = library.func("void brisc_advise(uintptr_t start, int64_t bytes)");
  const tiles = library.func("int brisc_tiles()");
  const create = library.func("uintptr_t brisc_create(int threads)");
  const destroy = library.func("void brisc_destroy(uintptr_t pool)");
  const run = library.func(
    "int brisc_run(uintptr_t pool, uintptr_t words, int64_t commands, uintptr_t slots, " +
      "uintptr_t symbols, uintptr_t times)",
  );
  // Large addresses come as bigint.
  return {
    open: (path) => Number(open(path)),
    openError: () => openError() as string | null,
    symbol: (handle, name) => Number(symbol(handle, name)),
    advise: (start, bytes) => void advise(start, bytes),
    tiles: () => tiles() === 1,
    create: (threads) => Number(create(threads)),
    destroy: (pool) => void destroy(pool),
    run: (pool, words, commands, slots, symbols, times) =>
      run(pool, words, commands, slots, symbols, times) as number,
  };
}

/* Threads for the kernels' parallel regions, in place of libgomp.
 *
 * GCC makes a function of every `#pragma omp parallel` and has GOMP_parallel run it on each thread; the few such entry points
 * that the kernels need are defined here, unseen by other libraries. A region of n threads has n places. Its caller begins with
 * the first and offers the others to its workers; who is through with a place goes on with another that nobody has begun:
 *
 *     caller    offers 1..n-1 | runs 0 | runs what is still on offer | waits for the places that workers have begun
 *     worker i  spins, sleeps | runs i, or else another             | runs what is still on offer | spins, sleeps
 *
 * So the end of a region waits for no thread that has yet to be given a CPU, as it does in libgomp. Where idle threads of
 * other libraries spin for milliseconds after each call, such a thread comes later than the end of most layers. What is
 * computed depends on the number of a place and not on who runs it. Only a barrier needs a thread at every place. Where a worker
 * that has begun, or that a barrier waits for, has no CPU, its caller lends it its own.
 *
 * Every calling thread has workers of its own, which end with it. In a child after a fork there are none, and new ones start.
 */
#include "team.h"
#ifdef OWN_TEAM

#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { CACHE_LINE = 64 };
enum { SPIN_NANOSECONDS = 100000 };  /* before a thread that waits goes to sleep; to wake it takes half of that */
enum { NAP_NANOSECONDS = 50000 };    /* in which a worker that has something to do runs, or has lost its CPU */
enum { SLICE_NANOSECONDS = 100000 }; /* the shortest that Linux has */

#define LOAD(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define STORE(p, value) __atomic_store_n(p, value, __ATOMIC_RELEASE)
#define EXCHANGE(p, old, new) __atomic_compare_exchange_n(p, old, new, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)

/* -- waiting ------------------------------------------------------------------------------------------------------------- */

/* A number that goes up, and that threads wait for. */
typedef struct {
    uint32_t number, sleepers;
} gate;

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

/* -1: the clock's thread is no more. */
static int64_t nanoseconds(clockid_t clock) {
    struct timespec t;
    if (clock_gettime(clock, &t)) return -1;
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void advance(gate *g) {
    __atomic_add_fetch(&g->number, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&g->sleepers, __ATOMIC_SEQ_CST)) syscall(SYS_futex, &g->number, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* Spins until the number is another than `before`, or for a while; whether it is. */
static int spins_until(gate *g, uint32_t before) {
    for (int64_t end = nanoseconds(CLOCK_MONOTONIC) + SPIN_NANOSECONDS; nanoseconds(CLOCK_MONOTONIC) < end;)
        for (int i = 0; i < 16; i++) {
            if (LOAD(&g->number) != before) return 1;
            relax();
        }
    return 0;
}

/* Sleeps until it is, at most for so long if `most` is not NULL; whether it is. */
static int sleeps_until(gate *g, uint32_t before, const struct timespec *most) {
    long failed = 0;
    __atomic_add_fetch(&g->sleepers, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&g->number, __ATOMIC_SEQ_CST) == before && !(failed && errno == ETIMEDOUT))
        failed = syscall(SYS_futex, &g->number, FUTEX_WAIT_PRIVATE, before, most, NULL, 0);
    __atomic_sub_fetch(&g->sleepers, 1, __ATOMIC_RELAXED);
    return LOAD(&g->number) != before;
}

/* -- teams --------------------------------------------------------------------------------------------------------------- */

enum { OPEN_LOOPS = 4 };

/* `#pragma omp for schedule(dynamic)`. Every place takes chunks from the front of its own part of the iterations, so that a call
 * that is repeated finds data where it left them, and then from the back of others' parts. Loop k of a region uses entry
 * k % OPEN_LOOPS, once all places have left the loop before it there: `turn` is 2k, and 2k + 1 when the parts are dealt out. */
typedef struct {
    int64_t turn;
    long start, step, count, chunk; /* iterations, and how many are taken at a time */
    int left;
} shared_loop;

/* Chunks [first, end) that nobody has taken, in one word. */
typedef struct {
    _Alignas(CACHE_LINE) uint64_t chunks;
} part;

/* What concerns one place, and the worker that begins with it. */
typedef struct {
    _Alignas(CACHE_LINE) int on_offer;
    part parts[OPEN_LOOPS];
    _Alignas(CACHE_LINE) int busy; /* whether the worker runs, or is about to */
    int moved;                     /* whether `keep_off_the_callers_cpu` has chosen its CPUs */
    int lent;                      /* whether it has been brought to the caller's CPU */
    pid_t thread;
    clockid_t clock;               /* of the time that it has run */
    cpu_set_t home;                /* its CPUs before that */
} place;

typedef struct {
    gate bell; /* a region has begun, or the team is dismissed */
    int workers, members, dismissed;
    int roomy; /* whether there is a CPU for each thread */
    int spin;  /* whether threads that wait spin first */
    int cpu;   /* the caller's, when it last rang */
    /* The region: */
    _Alignas(CACHE_LINE) void (*body)(void *);
    void *data;
    int count; /* of places */
    shared_loop loops[OPEN_LOOPS];
    _Alignas(CACHE_LINE) int unfinished; /* of the places that were offered */
    gate finished;
    _Alignas(CACHE_LINE) int arrived; /* at the barrier */
    gate barrier;
    place places[];
} team;

/* Where in a region a thread is. */
typedef struct {
    team *team; /* NULL: alone */
    int inside, index, count;
    int64_t loops; /* begun so far */
    int loop;      /* the entry in use */
} position;

static _Thread_local position here = {.count = 1};
static _Thread_local team *own_team;   /* a caller's */
static _Thread_local place *own_place; /* a worker's */
static pthread_key_t at_thread_end;

/* A place of a team's region, or one of one if `t` is NULL. */
static void run(team *t, void (*body)(void *), void *data, int index, int count) {
    const position before = here;
    here = (position){.team = t, .inside = 1, .index = index, .count = count};
    body(data);
    here = before;
}

/* Runs what is on offer, beginning with place `first`; whether a place was the last of the region. */
static int run_offers(team *t, int first) {
    int last = 0;
    for (int i = 0; i < t->workers; i++) {
        const int index = 1 + (first - 1 + i) % t->workers;
        int offered = 1;
        if (!LOAD(&t->places[index].on_offer) || !EXCHANGE(&t->places[index].on_offer, &offered, 0)) continue;
        run(t, t->body, t->data, index, t->count);
        last = __atomic_sub_fetch(&t->unfinished, 1, __ATOMIC_ACQ_REL) == 0;
    }
    return last;
}

static void leave(team *t) {
    if (__atomic_sub_fetch(&t->members, 1, __ATOMIC_ACQ_REL) == 0) free(t);
}

/* Lets the scheduler give this thread a CPU at once when it wakes, in place of one that has spun there for a while. */
static void ask_for_short_slices(void) {
    struct { /* sched_attr, whose header glibc's excludes */
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } attributes;
    if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) || attributes.policy != SCHED_OTHER) return;
    attributes.runtime = SLICE_NANOSECONDS;
    syscall(SYS_sched_setattr, 0, &attributes, 0);
}

/* -- CPUs ---------------------------------------------------------------------------------------------------------------- */

typedef struct {
    team *team;
    int index;
    cpu_set_t allowed, chosen; /* CPUs: by whoever else set them, and by `keep_off_the_callers_cpu` */
} worker;

/* Between two ticks of its clock, milliseconds, the scheduler leaves a CPU to the thread of another library that spins there, and a
 * worker that has begun waits in its queue. A caller that waits for that worker has a CPU to lend. */
static void lend_cpu(place *p) {
    const int cpu = sched_getcpu();
    cpu_set_t lent;
    CPU_ZERO(&lent);
    if (cpu < 0 || LOAD(&p->lent) || sched_getaffinity(p->thread, sizeof p->home, &p->home)) return;
    if (!CPU_ISSET(cpu, &p->home) && !LOAD(&p->moved)) return; /* not one of those it was given */
    CPU_SET(cpu, &lent);
    STORE(&p->lent, 1);
    sched_setaffinity(p->thread, sizeof lent, &lent);
    if (!LOAD(&p->lent)) sched_setaffinity(p->thread, sizeof p->home, &p->home); /* it was through in between */
}

/* The worker of this place goes back to its CPUs: at a barrier of its own accord, else sent by its caller before the region ends. */
static void send_home(place *p) {
    int lent = 1;
    if (LOAD(&p->lent) && EXCHANGE(&p->lent, &lent, 0)) sched_setaffinity(p->thread, sizeof p->home, &p->home);
}

/* How long the worker of this place has run, if it has something to do; -1: it has not. */
static int64_t time_run(const place *p) {
    return LOAD(&p->thread) && (LOAD(&p->busy) || LOAD(&p->on_offer)) ? nanoseconds(p->clock) : -1;
}

/* Until the number is another than `before`. The caller lends its CPU to the first worker found to have none. */
static void await(team *t, gate *g, uint32_t before) {
    const int guest = own_place && LOAD(&own_place->lent); /* whose CPU its caller wants back */
    if (t->spin && !guest && spins_until(g, before)) return;
    if (t->spin && t == own_team) {
        const struct timespec nap = {.tv_nsec = NAP_NANOSECONDS};
        int64_t run[t->workers + 1];
        for (int lent = 0; !lent;) {
            for (int i = 1; i <= t->workers; i++) run[i] = time_run(&t->places[i]);
            if (sleeps_until(g, before, &nap)) return;
            for (int i = 1; i <= t->workers && !lent; i++) {
                lent = run[i] >= 0 && run[i] == time_run(&t->places[i]);
                if (lent) lend_cpu(&t->places[i]);
            }
        }
    }
    sleeps_until(g, before, NULL);
}

/* The scheduler wakes a thread near the one that rang, and may leave both on one CPU for the rest of the region. CPUs that others give a
 * worker are kept, unless they are the very ones that it has chosen here. */
static void keep_off_the_callers_cpu(worker *w) {
    const int cpu = LOAD(&w->team->cpu);
    cpu_set_t now;
    if (!w->team->roomy || cpu < 0 || sched_getcpu() != cpu || sched_getaffinity(0, sizeof now, &now)) return;
    if (LOAD(&own_place->lent)) return;
    if (!CPU_EQUAL(&now, &w->chosen)) w->allowed = now;
    w->chosen = w->allowed;
    CPU_CLR(cpu, &w->chosen);
    const int moved = CPU_COUNT(&w->chosen) && !sched_setaffinity(0, sizeof w->chosen, &w->chosen);
    if (!moved) CPU_ZERO(&w->chosen);
    STORE(&own_place->moved, moved);
}

static void *work(void *argument) {
    worker *w = argument;
    team *t = w->team;
    place *p = own_place = &t->places[w->index];
    if (!pthread_getcpuclockid(pthread_self(), &p->clock)) STORE(&p->thread, (pid_t)syscall(SYS_gettid));
    ask_for_short_slices();
    for (uint32_t heard = 0; !LOAD(&t->dismissed);) {
        await(t, &t->bell, heard);
        heard = LOAD(&t->bell.number);
        keep_off_the_callers_cpu(w);
        STORE(&p->busy, 1);
        const int last = run_offers(t, w->index);
        STORE(&p->busy, 0);
        if (last) advance(&t->finished);
    }
    free(w);
    leave(t);
    return NULL;
}

static int start_worker(team *t, int index) {
    worker *w = malloc(sizeof *w);
    if (!w) return 0;
    *w = (worker){.team = t, .index = index};
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_t thread;
    const int failed = pthread_create(&thread, &detached, work, w);
    pthread_attr_destroy(&detached);
    if (failed) free(w);
    return !failed;
}

static void dismiss(void *argument) {
    team *t = argument;
    own_team = NULL;
    STORE(&t->dismissed, 1);
    advance(&t->bell);
    leave(t);
}

static void forget_team(void) {
    own_team = NULL;
    pthread_setspecific(at_thread_end, NULL);
}

static void prepare_process(void) {
    pthread_key_create(&at_thread_end, dismiss);
    pthread_atfork(NULL, NULL, forget_team);
}

/* A team with `workers` workers, or as many as the system grants. */
static team *assemble(int workers) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, prepare_process);
    const size_t bytes = sizeof(team) + (workers + 1) * sizeof(place);
    team *t = aligned_alloc(CACHE_LINE, (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
    if (!t) return NULL;
    *t = (team){.members = workers + 1};
    memset(t->places, 0, (workers + 1) * sizeof(place));
    cpu_set_t cpus;
    t->roomy = sched_getaffinity(0, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) > workers;
    const char *policy = getenv("OMP_WAIT_POLICY");
    t->spin = t->roomy && !(policy && strcasecmp(policy, "passive") == 0);
    sigset_t all, before; /* signals are for the program's own threads */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (t->workers < workers && start_worker(t, t->workers + 1)) t->workers++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    __atomic_sub_fetch(&t->members, workers - t->workers, __ATOMIC_ACQ_REL);
    return t;
}

/* This thread's team, with at least `workers` workers if the system grants them. */
static team *team_of(int workers) {
    static _Thread_local int most = INT_MAX;
    if (workers > most) workers = most;
    if (!own_team || own_team->workers < workers) {
        if (own_team) dismiss(own_team);
        own_team = assemble(workers);
        if (!own_team || own_team->workers < workers) most = own_team ? own_team->workers : 0;
        pthread_setspecific(at_thread_end, own_team);
    }
    return own_team;
}

/* -- what GCC calls ------------------------------------------------------------------------------------------------------ */

void GOMP_parallel(void (*body)(void *), void *data, unsigned threads, unsigned flags) {
    (void)flags;
    team *t = threads > 1 && !here.inside ? team_of((int)threads - 1) : NULL;
    if (!t || t->workers == 0) {
        run(NULL, body, data, 0, 1);
        return;
    }
    const int others = (int)threads - 1 < t->workers ? (int)threads - 1 : t->workers;
    const uint32_t finished = LOAD(&t->finished.number);
    t->body = body, t->data = data, t->count = others + 1, t->arrived = 0, t->unfinished = others;
    for (int i = 0; i < OPEN_LOOPS; i++) t->loops[i] = (shared_loop){.turn = 2 * i};
    STORE(&t->cpu, sched_getcpu());
    for (int i = 1; i <= others; i++) STORE(&t->places[i].on_offer, 1);
    advance(&t->bell);
    run(t, body, data, 0, others + 1);
    if (run_offers(t, 1)) return;
    await(t, &t->finished, finished);
    for (int i = 1; i <= t->workers; i++) send_home(&t->places[i]);
}

int omp_get_thread_num(void) { return here.index; }

int omp_get_num_threads(void) { return here.count; }

/* Cython's default for a loop whose number of threads is 0; none is. */
int omp_get_max_threads(void) { return 1; }

void GOMP_barrier(void) {
    team *t = here.team;
    if (!t) return;
    const uint32_t before = LOAD(&t->barrier.number);
    if (__atomic_add_fetch(&t->arrived, 1, __ATOMIC_ACQ_REL) == here.count) {
        STORE(&t->arrived, 0);
        advance(&t->barrier);
        if (own_place) send_home(own_place);
    } else {
        if (own_place) send_home(own_place);
        await(t, &t->barrier, before);
    }
}

/* A chunk of a part, its first or its last; -1 if there is none left. */
static int64_t take(part *p, int last) {
    uint64_t chunks = LOAD(&p->chunks);
    for (;;) {
        const uint32_t first = (uint32_t)(chunks >> 32), end = (uint32_t)chunks;
        if (first >= end) return -1;
        const uint64_t rest = last ? (uint64_t)first << 32 | (end - 1) : (uint64_t)(first + 1) << 32 | end;
        if (EXCHANGE(&p->chunks, &chunks, rest)) return last ? end - 1 : first;
    }
}

/* The next iterations [from, to); whether there are any. */
bool GOMP_loop_nonmonotonic_dynamic_next(long *from, long *to) {
    team *t = here.team;
    if (!t) return false;
    int64_t chunk = -1;
    for (int i = 0; i < here.count && chunk < 0; i++) chunk = take(&t->places[(here.index + i) % here.count].parts[here.loop], i > 0);
    if (chunk < 0) return false;
    const shared_loop *l = &t->loops[here.loop];
    const long first = chunk * l->chunk, end = l->count - first > l->chunk ? first + l->chunk : l->count;
    *from = l->start + first * l->step;
    *to = l->start + end * l->step;
    return true;
}

bool GOMP_loop_nonmonotonic_dynamic_start(long start, long end, long step, long chunk, long *from, long *to) {
    team *t = here.team;
    const long count = step > 0 ? (end > start ? (end - start - 1) / step + 1 : 0) : (end < start ? (start - end - 1) / -step + 1 : 0);
    if (!t) {
        *from = start, *to = start + count * step;
        return count > 0;
    }
    const int64_t number = here.loops++;
    here.loop = number % OPEN_LOOPS;
    shared_loop *l = &t->loops[here.loop];
    for (int64_t turn; (turn = LOAD(&l->turn)) != 2 * number + 1; relax()) {
        if (turn != 2 * number || !EXCHANGE(&l->turn, &turn, -1)) continue;
        l->start = start, l->step = step, l->count = count, l->chunk = chunk, l->left = 0;
        while (count / l->chunk >= UINT32_MAX) l->chunk *= 2;
        const uint64_t chunks = (count + l->chunk - 1) / l->chunk;
        for (int i = 0; i < here.count; i++)
            t->places[i].parts[here.loop].chunks = chunks * i / here.count << 32 | chunks * (i + 1) / here.count;
        STORE(&l->turn, 2 * number + 1);
    }
    return GOMP_loop_nonmonotonic_dynamic_next(from, to);
}

void GOMP_loop_end_nowait(void) {
    if (!here.team) return;
    shared_loop *l = &here.team->loops[here.loop];
    if (__atomic_add_fetch(&l->left, 1, __ATOMIC_ACQ_REL) == here.count) STORE(&l->turn, l->turn - 1 + 2 * OPEN_LOOPS);
}

void GOMP_loop_end(void) {
    GOMP_loop_end_nowait();
    GOMP_barrier();
}

#endif

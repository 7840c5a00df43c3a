/* Parallel regions of every form the kernels use, run by kernels/team.c; prints what went wrong and exits with 1. */
#include <omp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int wrong;

static void expect(int right, const char *what, int threads, long items) {
    if (right) return;
    printf("%s: %d threads, %ld items\n", what, threads, items);
    __atomic_store_n(&wrong, 1, __ATOMIC_RELAXED);
}

static void add(int *to) { __atomic_add_fetch(to, 1, __ATOMIC_RELAXED); }

static int all_are(const int *counts, long items, int value) {
    for (long i = 0; i < items; i++)
        if (counts[i] != value) return 0;
    return 1;
}

static void places(int threads, int *counts) {
    memset(counts, 0, threads * sizeof(int));
    int nested = 0, sizes = 0;
#pragma omp parallel num_threads(threads)
    {
        add(counts + omp_get_thread_num());
        if (omp_get_num_threads() == threads) add(&sizes);
#pragma omp parallel num_threads(4)
        if (omp_get_num_threads() == 1 && omp_get_thread_num() == 0) add(&nested);
        if (omp_get_num_threads() == threads) add(&sizes);
    }
    expect(all_are(counts, threads, 1), "each place once", threads, 0);
    expect(sizes == 2 * threads, "the size of the team", threads, 0);
    expect(nested == threads, "a region inside another is alone", threads, 0);
    expect(omp_get_num_threads() == 1 && omp_get_thread_num() == 0, "outside", threads, 0);
}

static void barriers(int threads, int *counts) {
    memset(counts, 0, threads * sizeof(int));
    int missed = 0;
#pragma omp parallel num_threads(threads)
    for (int round = 1; round <= 20; round++) {
        add(counts + omp_get_thread_num());
#pragma omp barrier
        if (!all_are(counts, threads, round)) add(&missed);
#pragma omp barrier
    }
    expect(!missed, "nobody passes a barrier before all are there", threads, 0);
}

static void loops(int threads, long items, int *counts) {
    memset(counts, 0, items * sizeof(int));
    int missed = 0;
#pragma omp parallel num_threads(threads)
    for (int round = 1; round <= 6; round++) { /* more than may be open at a time */
#pragma omp for schedule(dynamic) nowait
        for (long i = 0; i < items; i++) add(counts + i);
#pragma omp for schedule(dynamic, 3)
        for (long i = items; i > 0; i--) add(counts + i - 1);
#pragma omp for schedule(dynamic)
        for (long i = 0; i < items; i += 2)
            if (counts[i] < 2 * round - 1) add(&missed); /* the loop with chunks ended with a barrier */
    }
    expect(all_are(counts, items, 12), "each iteration once", threads, items);
    expect(!missed, "a loop ends with a barrier", threads, items);
#pragma omp parallel for num_threads(threads) schedule(dynamic)
    for (long i = 0; i < items; i++) counts[i] = -1;
    expect(all_are(counts, items, -1), "a region that is a loop", threads, items);
}

static void *everything(void *most) {
    int counts[100];
    for (int repeat = 0; repeat < 30; repeat++)
        for (int threads = 1; threads <= *(int *)most; threads++) {
            places(threads, counts);
            barriers(threads, counts);
            for (long items = 0; items < 100; items = 2 * items + 1) loops(threads, items, counts);
        }
    return NULL;
}

int main(void) {
    int most = 5;
    everything(&most);
    pthread_t callers[4];
    for (int i = 0; i < 4; i++) pthread_create(callers + i, NULL, everything, &most);
    for (int i = 0; i < 4; i++) pthread_join(callers[i], NULL);
    const pid_t child = fork();
    if (child == 0) {
        everything(&most);
        _exit(wrong);
    }
    int status;
    waitpid(child, &status, 0);
    expect(status == 0, "a child after a fork", most, 0);
    return wrong;
}

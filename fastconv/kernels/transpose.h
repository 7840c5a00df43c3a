/* Transposes between NCHW and NHWC (template: REAL, NAME, IS_DOUBLE). */

#ifndef FASTCONV_TRANSPOSE_LANES
#define FASTCONV_TRANSPOSE_LANES
enum { FEW_ROWS = 4 };
/* Index vectors of a two-source shuffle: lane l of the first result takes l or, where bit h of l is set, lane l - h of the second
 * source; the second result is the mirror image. */
#define FIRST(l, h, n) ((l) & (h) ? (n) + (l) - (h) : (l))
#define SECOND(l, h, n) ((l) & (h) ? (n) + (l) : (l) + (h))
#define EVEN(l, h, n) (2 * (l)) /* every second lane of both sources */
#define ODD(l, h, n) (2 * (l) + 1)
#define LOW(l, h, n) ((l) / 2 + (l) % 2 * (n)) /* the first halves of both sources, lane by lane; then the second halves */
#define HIGH(l, h, n) ((n) / 2 + (l) / 2 + (l) % 2 * (n))
#define LANES2(f, h, n) f(0, h, n), f(1, h, n)
#define LANES4(f, h, n) LANES2(f, h, n), f(2, h, n), f(3, h, n)
#define LANES8(f, h, n) LANES4(f, h, n), f(4, h, n), f(5, h, n), f(6, h, n), f(7, h, n)
#define LANES16(f, h, n) \
    LANES8(f, h, n), f(8, h, n), f(9, h, n), f(10, h, n), f(11, h, n), f(12, h, n), f(13, h, n), f(14, h, n), f(15, h, n)
#if defined(__clang__)
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (NAME(ivec_t)){__VA_ARGS__})
#endif
#endif

#if SIMD_BYTES == 64 && !IS_DOUBLE
#define STAGES(X) X(8, LANES16, 16) X(4, LANES16, 16) X(2, LANES16, 16) X(1, LANES16, 16)
#define OF_ALL(f) LANES16(f, 0, 16)
#elif (SIMD_BYTES == 32 && !IS_DOUBLE) || (SIMD_BYTES == 64 && IS_DOUBLE)
#define STAGES(X) X(4, LANES8, 8) X(2, LANES8, 8) X(1, LANES8, 8)
#define OF_ALL(f) LANES8(f, 0, 8)
#elif (SIMD_BYTES == 16 && !IS_DOUBLE) || (SIMD_BYTES == 32 && IS_DOUBLE)
#define STAGES(X) X(2, LANES4, 4) X(1, LANES4, 4)
#define OF_ALL(f) LANES4(f, 0, 4)
#else
#define STAGES(X) X(1, LANES2, 2)
#define OF_ALL(f) LANES2(f, 0, 2)
#endif
#define EVEN_LANES OF_ALL(EVEN)
#define ODD_LANES OF_ALL(ODD)
#define STAGE(h, lanes, n)                                              \
    UNROLL for (int i = 0; i < n; i++) if (!(i & h)) {                  \
        vec a = r[i], b = r[i + h];                                     \
        r[i] = SHUFFLE(a, b, lanes(FIRST, h, n));                       \
        r[i + h] = SHUFFLE(a, b, lanes(SECOND, h, n));                  \
    }

#define SUM_STAGE(h, lanes, n)                                                                         \
    UNROLL for (int i = 0; i < h; i++)                                                                 \
        r[i] = SHUFFLE(r[i], r[i + h], lanes(FIRST, h, n)) + SHUFFLE(r[i], r[i + h], lanes(SECOND, h, n));

/* VL x VL values in registers: log2(VL) rounds of exchanging halves. */
INLINE void NAME(transpose_square)(vec *r) { STAGES(STAGE) }

/* `count` <= VL rows of n values each, one behind the other, to columns r[0] .. r[n - 1]; n is a constant, at most VL. */
INLINE void NAME(turn_short_rows)(const int n, const REAL *rows, int64_t count, vec *r) {
    UNROLL for (int q = 0; q < VL; q++)
        r[q] = (count - q) * n >= VL ? NAME(load)(rows + q * n) : q < count ? NAME(load_n)(rows + q * n, n) : (vec){0};
    NAME(transpose_square)(r);
}

/* The same for 3, 5, 7 or 9 values, if they fit a vector: column t to the vector at to + t step. Returns whether it is done. */
INLINE int NAME(turn_taps)(int64_t n, const REAL *rows, int64_t count, REAL *to, int64_t step) {
    vec r[SIMD_BYTES / sizeof(REAL)];
#define CASE(N)                                                                    \
    case N:                                                                        \
        if (N > VL) return 0;                                                      \
        NAME(turn_short_rows)(N, rows, count, r);                                  \
        UNROLL for (int t = 0; t < MIN(N, VL); t++) *(vec *)(to + t * step) = r[t]; \
        return 1;
    switch (n) { CASE(3) CASE(5) CASE(7) CASE(9) }
#undef CASE
    return 0;
}

/* Lane l of the result: the sum of the lanes of r[l], l < VL; r is overwritten. */
INLINE vec NAME(sum_lanes)(vec *r) {
    STAGES(SUM_STAGE)
    return r[0];
}

/* b[n j + i] = a[i a_step + j] for i < n, j < columns, vectors of columns at a time; returns how many columns are done. */
INLINE int64_t NAME(weave)(const REAL *a, int64_t a_step, const int n, int64_t columns, REAL *b) {
    int64_t j = 0;
    NAME(ivec_t) column[FEW_ROWS], row[FEW_ROWS];
    UNROLL for (int v = 0; v < n; v++)
        UNROLL for (int l = 0; l < VL; l++) column[v][l] = (v * VL + l) / n, row[v][l] = (v * VL + l) % n;
    for (; j + VL <= columns; j += VL) {
        vec r[FEW_ROWS];
        UNROLL for (int i = 0; i < n; i++) r[i] = NAME(load)(a + i * a_step + j);
        UNROLL for (int v = 0; v < n; v++) {
            vec out = NAME(permute)(r[0], column[v]);
            UNROLL for (int i = 1; i < n; i++) out = NAME(select)(row[v] == i, NAME(permute)(r[i], column[v]), out);
            NAME(store)(b + n * j + v * VL, out);
        }
    }
    return j;
}

/* b[j][i] = a[i][j] for i < rows, j < columns; steps in elements. */
static __attribute__((unused)) void NAME(transpose)(const REAL *a, int64_t a_step, int64_t rows, int64_t columns, REAL *b,
                                                    int64_t b_step) {
    if (rows <= FEW_ROWS && columns > VL) { /* colour planes: most of a square of registers would be empty */
        int64_t j = 0;
        switch (permutes_lanes(sizeof(REAL)) && b_step == rows ? rows : 0) {
        case 1: j = NAME(weave)(a, a_step, 1, columns, b); break;
        case 2: j = NAME(weave)(a, a_step, 2, columns, b); break;
        case 3: j = NAME(weave)(a, a_step, 3, columns, b); break;
        case 4: j = NAME(weave)(a, a_step, 4, columns, b); break;
        }
        for (; j < columns; j++)
            for (int64_t i = 0; i < rows; i++) b[j * b_step + i] = a[i * a_step + j];
        return;
    }
    for (int64_t i = 0; i < rows; i += VL)
        for (int64_t j = 0; j < columns; j += VL) {
            const int64_t high = MIN(VL, rows - i), wide = MIN(VL, columns - j);
            vec r[SIMD_BYTES / sizeof(REAL)];
            if (high == VL && wide == VL) {
                UNROLL for (int q = 0; q < VL; q++) r[q] = NAME(load)(a + (i + q) * a_step + j);
                NAME(transpose_square)(r);
                UNROLL for (int q = 0; q < VL; q++) NAME(store)(b + (j + q) * b_step + i, r[q]);
            } else {
                UNROLL for (int q = 0; q < VL; q++) r[q] = q < high ? NAME(load_n)(a + (i + q) * a_step + j, wide) : (vec){0};
                NAME(transpose_square)(r);
                /* Short rows one behind the other are stored whole: what is too much, the next row takes the place of. */
                const int64_t whole = rows < VL && b_step == rows ? columns - j - (VL - 1) / rows : 0;
                UNROLL for (int q = 0; q < VL; q++)
                    if (q < MIN(wide, whole)) NAME(store)(b + (j + q) * b_step + i, r[q]);
                    else if (q < wide) NAME(store_n)(b + (j + q) * b_step + i, r[q], high);
            }
        }
}

/* `count` pixels of VL planes of rows of `width`, from the first of a row on, to a vector each: VL at a time, wherever a row ends. Plane l
 * begins at image[lane[l]]; of those behind the first `lanes` come zeros. Behind each row `gap` elements are left out. What lies `ahead`
 * bytes behind in each plane is asked for, unless that is 0. */
static __attribute__((unused, noinline)) void NAME(turn_rows)(const REAL *image, const int64_t *lane, int64_t lanes, int64_t count,
                                                              int64_t width, REAL *to, int64_t gap, int64_t ahead) {
    int64_t column = 0;
    for (int64_t q = 0; q < count; q += VL) {
        vec v[SIMD_BYTES / sizeof(REAL)];
        const int64_t some = MIN(count - q, VL);
        if (lanes == VL && some == VL) {
            UNROLL for (int l = 0; l < VL; l++) {
                const REAL *from = image + lane[l] + q;
                if (ahead) __builtin_prefetch((const void *)((uintptr_t)from + ahead));
                v[l] = NAME(load)(from);
            }
        } else {
            UNROLL for (int l = 0; l < VL; l++) v[l] = l < lanes ? NAME(load_n)(image + lane[l] + q, some) : (vec){0};
        }
        NAME(transpose_square)(v);
        if (column + some <= width && some == VL) {
            UNROLL for (int k = 0; k < VL; k++) *(vec *)(to + k * VL) = v[k];
            to += VL * VL, column += VL;
            if (column == width) column = 0, to += gap;
            continue;
        }
        UNROLL for (int k = 0; k < VL; k++) {
            if (k == some) break;
            *(vec *)to = v[k];
            const int last = ++column == width;
            to += last ? VL + gap : VL;
            column = last ? 0 : column;
        }
    }
}

/* to[k] = from[2 k] for k < count; nothing behind the last of them is read. */
INLINE void NAME(pick_even)(const REAL *from, int64_t count, REAL *to) {
    for (int64_t k = 0; k < count; k += VL) {
        const int64_t left = count - k, read = 2 * left - 1;
        const vec a = NAME(load_n)(from + 2 * k, read), b = NAME(load_n)(from + 2 * k + VL, read - VL);
        NAME(store_n)(to + k, SHUFFLE(a, b, EVEN_LANES), left);
    }
}

/* to[k] = from[n k] for k < count. */
INLINE void NAME(pick)(const REAL *from, const int n, int64_t count, REAL *to) {
    int64_t k = 0;
    if (permutes_lanes(sizeof(REAL))) {
        NAME(ivec_t) index, source;
        for (int l = 0; l < VL; l++) index[l] = l * n % VL, source[l] = l * n / VL;
        /* The last vector that is read may end n - 1 elements behind the last value taken: not for the last of them. */
        for (; k + VL < count; k += VL) {
            vec v = NAME(permute)(NAME(load)(from + n * k), index);
            UNROLL for (int j = 1; j < n; j++) {
                const vec w = NAME(permute)(NAME(load)(from + n * k + j * VL), index);
                v = NAME(select)(source == j, w, v);
            }
            NAME(store)(to + k, v);
        }
    }
    for (; k < count; k++) to[k] = from[n * k];
}

static __attribute__((unused)) void NAME(every_nth)(const REAL *from, int64_t n, int64_t count, REAL *to) {
    switch (n) {
    case 1: memcpy(to, from, count * sizeof(REAL)); break;
    case 2: NAME(pick_even)(from, count, to); break;
    case 3: NAME(pick)(from, 3, count, to); break;
    case 4: NAME(pick)(from, 4, count, to); break;
    default:
        for (int64_t k = 0; k < count; k++) to[k] = from[n * k];
    }
}

/* The values of each remainder modulo n together: to[m step + k] = from[n k + m] for m < n, k < count. */
static __attribute__((unused)) void NAME(split)(const REAL *from, int64_t n, int64_t count, REAL *to, int64_t step) {
    int64_t k = 0;
    switch (n) {
    case 1: memcpy(to, from, count * sizeof(REAL)); break;
    case 2:
        for (; k + VL <= count; k += VL) {
            const vec a = NAME(load)(from + 2 * k), b = NAME(load)(from + 2 * k + VL);
            NAME(store)(to + k, SHUFFLE(a, b, EVEN_LANES));
            NAME(store)(to + step + k, SHUFFLE(a, b, ODD_LANES));
        }
        for (; k < count; k++) to[k] = from[2 * k], to[step + k] = from[2 * k + 1];
        break;
    case 3:
        for (int64_t m = 0; m < n; m++) NAME(every_nth)(from + m, n, count, to + m * step);
        break;
    case 4:
        for (; k + VL <= count; k += VL) {
            vec v[4], even[2], odd[2];
            for (int i = 0; i < 4; i++) v[i] = NAME(load)(from + 4 * k + i * VL);
            for (int i = 0; i < 2; i++) {
                even[i] = SHUFFLE(v[2 * i], v[2 * i + 1], EVEN_LANES);
                odd[i] = SHUFFLE(v[2 * i], v[2 * i + 1], ODD_LANES);
            }
            NAME(store)(to + k, SHUFFLE(even[0], even[1], EVEN_LANES));
            NAME(store)(to + step + k, SHUFFLE(odd[0], odd[1], EVEN_LANES));
            NAME(store)(to + 2 * step + k, SHUFFLE(even[0], even[1], ODD_LANES));
            NAME(store)(to + 3 * step + k, SHUFFLE(odd[0], odd[1], ODD_LANES));
        }
        for (; k < count; k++)
            for (int64_t m = 0; m < 4; m++) to[m * step + k] = from[4 * k + m];
        break;
    default: NAME(transpose)(from, n, count, n, to, step);
    }
}

/* r[0] .. r[3] lane by lane: r0[0] r1[0] r2[0] r3[0] r0[1] ... */
INLINE void NAME(interleave_4)(vec *r) {
    const vec a = SHUFFLE(r[0], r[2], OF_ALL(LOW)), b = SHUFFLE(r[0], r[2], OF_ALL(HIGH));
    const vec c = SHUFFLE(r[1], r[3], OF_ALL(LOW)), d = SHUFFLE(r[1], r[3], OF_ALL(HIGH));
    r[0] = SHUFFLE(a, c, OF_ALL(LOW)), r[1] = SHUFFLE(a, c, OF_ALL(HIGH));
    r[2] = SHUFFLE(b, d, OF_ALL(LOW)), r[3] = SHUFFLE(b, d, OF_ALL(HIGH));
}

/* `store_n` past the caches if that is asked for and possible. */
INLINE void NAME(store_past)(REAL *p, vec v, int64_t n, int past) {
    if (past && n >= VL && (intptr_t)p % SIMD_BYTES == 0)
        NAME(stream)(p, v);
    else
        NAME(store_n)(p, v, n);
}

static __attribute__((unused)) void NAME(clear)(REAL *to, int64_t count, int streamed) {
    for (int64_t k = 0; k < count; k += VL) NAME(store_past)(to + k, (vec){0}, count - k, streamed);
}

/* The inverse of split: to[n k + m] = from[m step + k] for n k + m < count; whole vectors of `from` are read. */
static __attribute__((unused)) void NAME(interleave)(const REAL *from, int64_t step, int64_t n, int64_t count, REAL *to,
                                                     int streamed) {
    if (n == 1) {
        for (int64_t k = 0; k < count; k += VL) NAME(store_past)(to + k, NAME(load)(from + k), count - k, streamed);
    } else if (n == 2) {
        for (int64_t k = 0; k < count; k += 2 * VL) {
            const vec a = NAME(load)(from + k / 2), b = NAME(load)(from + step + k / 2);
            NAME(store_past)(to + k, SHUFFLE(a, b, OF_ALL(LOW)), count - k, streamed);
            NAME(store_past)(to + k + VL, SHUFFLE(a, b, OF_ALL(HIGH)), count - k - VL, streamed);
        }
    } else {
        for (int64_t m = 0; m < n; m++)
            for (int64_t k = 0; n * k + m < count; k++) to[n * k + m] = from[m * step + k];
    }
}

#undef STAGE
#undef SUM_STAGE
#undef STAGES
#undef OF_ALL
#undef EVEN_LANES
#undef ODD_LANES

/* Float32 values as sums of bfloat16 parts, and the range in which they may be: included once. */
#ifndef FASTCONV_BFLOAT_H
#define FASTCONV_BFLOAT_H

#include "simd.h"

enum { MOST_PARTS = 3 };

/* Largest and smallest magnitude of the values other than zero, as twice their bits, the smallest less 1: so that zeros, which become the
 * largest of numbers, do not count. */
typedef struct {
    __m512i most, least;
} magnitudes;

typedef struct {
    uint32_t most, least;
} magnitude_range;

/* What packed weights begin with. */
typedef struct {
    magnitude_range range;
    char unused[CACHE_LINE - sizeof(magnitude_range)];
} split_header;

/* Of nothing but ones. */
#define MAGNITUDE_ONE ((magnitude_range){2u * 0x3f800000u, 2u * 0x3f800000u - 1})

/* Where a loop does little else, they are noted into a variable of its function: through a pointer, each store of a vector might change
 * them, and the next note would wait for the last. */
INLINE magnitudes no_magnitudes(void) { return (magnitudes){_mm512_setzero_si512(), _mm512_set1_epi32(-1)}; }

INLINE void note_magnitudes(magnitudes *m, __m512 v) {
    const __m512i twice = _mm512_add_epi32(_mm512_castps_si512(v), _mm512_castps_si512(v));
    m->most = _mm512_max_epu32(m->most, twice);
    m->least = _mm512_min_epu32(m->least, _mm512_add_epi32(twice, _mm512_set1_epi32(-1)));
}

INLINE magnitude_range range_of(const magnitudes *m) {
    return (magnitude_range){_mm512_reduce_max_epu32(m->most), _mm512_reduce_min_epu32(m->least)};
}

INLINE void join_ranges(magnitude_range *a, magnitude_range b) {
    a->most = MAX(a->most, b.most), a->least = MIN(a->least, b.least);
}

INLINE double magnitude(uint32_t twice) {
    const uint32_t bits = twice / 2;
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* Matrix units take denormal numbers for zero, and the high part of the largest float32 is infinity, which times a low part of zero is
 * NaN. With operands and their products between these powers of two, neither occurs, in no part and no partial sum that counts; zeros
 * are allowed. False for NaN and Inf. */
INLINE int ranges_allow_split(magnitude_range a, magnitude_range b) {
    const double most = 0x1p100, least = 0x1p-100;
    const double high_a = magnitude(a.most), high_b = magnitude(b.most);
    if (!(high_a < most && high_b < most && high_a * high_b < most)) return 0;
    if (a.least == UINT32_MAX || b.least == UINT32_MAX) return 1; /* all of one operand are zero */
    const double low_a = magnitude(a.least + 1), low_b = magnitude(b.least + 1);
    return low_a >= least && low_b >= least && low_a * low_b >= least;
}

INLINE __m512 widened(__m256i halves) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16)); }

/* part[0] holds the values of a and b rounded to bfloat16, part[1] what is left of them, and so on. */
INLINE void split_values(const int parts, __m512 a, __m512 b, __m512i *part) {
    UNROLL for (int p = 0; p < parts; p++) {
        part[p] = (__m512i)_mm512_cvtne2ps_pbh(b, a);
        if (p + 1 == parts) break;
        a = _mm512_sub_ps(a, widened(_mm512_castsi512_si256(part[p])));
        b = _mm512_sub_ps(b, widened(_mm512_extracti64x4_epi64(part[p], 1)));
    }
}

/* The same as a[0] b[0] a[1] b[1] ..., of values far from the largest: ties are rounded away from zero. This takes additions and shifts,
 * which two units do, where conversions, and taking their results apart, wait for one. */
INLINE void split_pairs(const int parts, __m512 a, __m512 b, __m512i *part) {
    const __m512i half = _mm512_set1_epi32(0x8000), high = _mm512_set1_epi32((int)0xffff0000);
    UNROLL for (int p = 0; p < parts; p++) {
        const __m512i ra = _mm512_add_epi32((__m512i)a, half), rb = _mm512_and_si512(_mm512_add_epi32((__m512i)b, half), high);
        part[p] = _mm512_or_si512(_mm512_srli_epi32(ra, 16), rb);
        if (p + 1 == parts) break;
        a = _mm512_sub_ps(a, (__m512)_mm512_and_si512(ra, high));
        b = _mm512_sub_ps(b, (__m512)rb);
    }
}

/* Pairs of two vectors to their places. */
INLINE void store_pairs(const int parts, __m512 a, __m512 b, char *to, int64_t part_bytes, magnitudes *m) {
    __m512i part[MOST_PARTS];
    note_magnitudes(m, a), note_magnitudes(m, b);
    split_pairs(parts, a, b, part);
    UNROLL for (int k = 0; k < parts; k++) _mm512_store_si512(to + k * part_bytes, part[k]);
}

/* The first n of 16 floats at p, n <= 0: none, zeros behind them; nothing behind p[n - 1] is read. */
INLINE __m512 load_floats(const float *p, int64_t n) {
    return n >= 16 ? _mm512_loadu_ps(p) : n > 0 ? _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p) : _mm512_setzero_ps();
}

/* The first n of 16 floats that lie `step` apart; nothing behind the last of them is read. */
INLINE __m512 load_every(const float *p, int64_t step, int64_t n) {
    if (step == 1) return load_floats(p, n);
    n = MIN(n, 16);
    if (step == 2) {
        const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
        return _mm512_permutex2var_ps(load_floats(p, 2 * n - 1), even, load_floats(p + 16, 2 * n - 17));
    }
    const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    return _mm512_mask_i32gather_ps(_mm512_setzero_ps(), (__mmask16)((1u << MAX(n, 0)) - 1),
                                    _mm512_mullo_epi32(lanes, _mm512_set1_epi32((int)step)), p, sizeof(float));
}

#endif

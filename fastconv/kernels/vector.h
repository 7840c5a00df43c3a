/* Vector type, loads and stores for one element type (template: REAL, NAME, IS_DOUBLE). */

typedef REAL NAME(vec_t) __attribute__((vector_size(SIMD_BYTES), may_alias));
typedef REAL NAME(uvec_t) __attribute__((vector_size(SIMD_BYTES), may_alias, aligned(sizeof(REAL))));

/* Lane l of the result is lane index[l] of v. */
#if IS_DOUBLE
typedef int64_t NAME(ivec_t) __attribute__((vector_size(SIMD_BYTES)));
#else
typedef int32_t NAME(ivec_t) __attribute__((vector_size(SIMD_BYTES)));
#endif
INLINE vec NAME(permute)(vec v, NAME(ivec_t) index) {
#if defined(__AVX512F__) && IS_DOUBLE
    return (vec)_mm512_permutexvar_pd((__m512i)index, (__m512d)v);
#elif defined(__AVX512F__)
    return (vec)_mm512_permutexvar_ps((__m512i)index, (__m512)v);
#elif defined(__AVX2__) && !IS_DOUBLE
    return (vec)_mm256_permutevar8x32_ps((__m256)v, (__m256i)index);
#else
    vec r;
    for (int l = 0; l < VL; l++) r[l] = v[index[l]];
    return r;
#endif
}

INLINE vec NAME(load)(const REAL *p) { return *(const NAME(uvec_t) *)p; }
/* The same into a register: of 16, GCC otherwise has none left and reads memory anew for each of many uses, so that loads are the limit. */
INLINE vec NAME(load_held)(const REAL *p) {
    vec v = NAME(load)(p);
#if defined(__AVX__) && !defined(__AVX512F__)
    __asm__("" : "+x"(v));
#endif
    return v;
}
INLINE void NAME(store)(REAL *p, vec v) { *(NAME(uvec_t) *)p = v; }
INLINE vec NAME(splat)(REAL s) { return s - (vec){0}; }

INLINE vec NAME(sqrt)(vec v) {
#if defined(__AVX512F__) && IS_DOUBLE
    return (vec)_mm512_sqrt_pd((__m512d)v);
#elif defined(__AVX512F__)
    return (vec)_mm512_sqrt_ps((__m512)v);
#elif defined(__AVX2__) && IS_DOUBLE
    return (vec)_mm256_sqrt_pd((__m256d)v);
#elif defined(__AVX2__)
    return (vec)_mm256_sqrt_ps((__m256)v);
#else
    for (int l = 0; l < VL; l++) v[l] = (REAL)__builtin_sqrt(v[l]);
    return v;
#endif
}

/* The first n < VL elements at p, zeros behind them; touches no memory beyond p[n - 1]. */
INLINE vec NAME(load_part)(const REAL *p, int64_t n) {
#if defined(__AVX512F__)
#if IS_DOUBLE
    return (vec)_mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1), p);
#else
    return (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#endif
#elif defined(__AVX2__) && IS_DOUBLE
    return (vec)_mm256_maskload_pd(p, _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3)));
#elif defined(__AVX2__)
    return (vec)_mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)));
#else
    REAL t[SIMD_BYTES / sizeof(REAL)] __attribute__((aligned(SIMD_BYTES))) = {0};
    for (int64_t i = 0; i < n; i++) t[i] = p[i];
    return *(const vec *)t;
#endif
}

INLINE void NAME(store_part)(REAL *p, vec v, int64_t n) {
#if defined(__AVX512F__)
#if IS_DOUBLE
    _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1), (__m512d)v);
#else
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#endif
#else
    REAL t[SIMD_BYTES / sizeof(REAL)] __attribute__((aligned(SIMD_BYTES)));
    *(vec *)t = v;
    for (int64_t i = 0; i < n; i++) p[i] = t[i];
#endif
}

/* n elements, n <= 0: none, n >= VL: a whole vector. */
INLINE vec NAME(load_n)(const REAL *p, int64_t n) {
    return n >= VL ? NAME(load)(p) : n > 0 ? NAME(load_part)(p, n) : (vec){0};
}
INLINE void NAME(store_n)(REAL *p, vec v, int64_t n) {
    if (n >= VL)
        NAME(store)(p, v);
    else if (n > 0)
        NAME(store_part)(p, v, n);
}

/* A store to an aligned place that is not read soon: it passes the caches, where the instruction set can. */
INLINE void NAME(stream)(REAL *p, vec v) {
#if defined(__AVX512F__)
    _mm512_stream_si512((__m512i *)p, (__m512i)v);
#elif defined(__AVX2__)
    _mm256_stream_si256((__m256i *)p, (__m256i)v);
#elif defined(__SSE2__)
    _mm_stream_si128((__m128i *)p, (__m128i)v);
#else
    *(vec *)p = v;
#endif
}

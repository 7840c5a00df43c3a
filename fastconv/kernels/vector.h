/* Vector type, loads and stores for one element type (template: REAL, NAME, IS_DOUBLE). */

typedef REAL NAME(vec_t) __attribute__((vector_size(SIMD_BYTES), may_alias));
typedef REAL NAME(uvec_t) __attribute__((vector_size(SIMD_BYTES), may_alias, aligned(sizeof(REAL))));

INLINE vec NAME(load)(const REAL *p) { return *(const NAME(uvec_t) *)p; }
INLINE void NAME(store)(REAL *p, vec v) { *(NAME(uvec_t) *)p = v; }
INLINE vec NAME(splat)(REAL s) { return s - (vec){0}; }

/* The first n < VL elements at p, zeros behind them; touches no memory beyond p[n - 1]. */
INLINE vec NAME(load_part)(const REAL *p, int64_t n) {
#if defined(__AVX512F__)
#if IS_DOUBLE
    return (vec)_mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1), p);
#else
    return (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#endif
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

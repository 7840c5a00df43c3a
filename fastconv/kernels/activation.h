/* Activations applied to vectors at the end of a convolution (template: REAL, NAME, IS_DOUBLE). */
#ifndef FASTCONV_ACTIVATION_CODES
#define FASTCONV_ACTIVATION_CODES
/* The order of algorithms.base.ACTIVATIONS. */
enum { ACT_NONE, ACT_RELU, ACT_RELU6, ACT_LEAKY_RELU, ACT_SIGMOID, ACT_SILU };
/* None, or of an instruction or two: done with values in registers, which the others are called with. */
#define IS_CLAMP(activation) ((activation) <= ACT_RELU6)
#endif

/* Lanes of a where the mask is all ones, of b where it is zero. */
INLINE vec NAME(select)(NAME(ivec_t) mask, vec a, vec b) {
    return (vec)((mask & (NAME(ivec_t))a) | (~mask & (NAME(ivec_t))b));
}

/* The larger and the smaller of a number and the lanes of v; a NaN stays, as x86 gives back the second of two numbers without an order. */
#define EXTREMES(max, min, reg)                                                   \
    INLINE vec NAME(at_least)(vec a, vec v) { return (vec)max((reg)a, (reg)v); }  \
    INLINE vec NAME(at_most)(vec a, vec v) { return (vec)min((reg)a, (reg)v); }
#if defined(__AVX512F__) && IS_DOUBLE
EXTREMES(_mm512_max_pd, _mm512_min_pd, __m512d)
#elif defined(__AVX512F__)
EXTREMES(_mm512_max_ps, _mm512_min_ps, __m512)
#elif defined(__AVX2__) && IS_DOUBLE
EXTREMES(_mm256_max_pd, _mm256_min_pd, __m256d)
#elif defined(__AVX2__)
EXTREMES(_mm256_max_ps, _mm256_min_ps, __m256)
#elif defined(__SSE2__) && IS_DOUBLE
EXTREMES(_mm_max_pd, _mm_min_pd, __m128d)
#elif defined(__SSE2__)
EXTREMES(_mm_max_ps, _mm_min_ps, __m128)
#else
INLINE vec NAME(at_least)(vec a, vec v) { return NAME(select)(v < a, a, v); }
INLINE vec NAME(at_most)(vec a, vec v) { return NAME(select)(v > a, a, v); }
#endif
#undef EXTREMES

/* exp(x): x = n ln 2 + r with |r| <= ln 2 / 2 (ln 2 in two parts, Cody and Waite 1980), Taylor polynomial of r, 2^n through the
 * exponent bits. Arguments are clamped to where the result is a normal number. A NaN stays a NaN. */
INLINE vec NAME(exp)(vec x) {
#if IS_DOUBLE
    const REAL lo = -708.0, hi = 708.0, magic = 6755399441055744.0;
    const REAL c1 = 6.93147180369123816490e-01, c2 = 1.90821492927058770002e-10;
    enum { DEGREE = 12, MANTISSA = 52, BIAS = 1023 };
#else
    const REAL lo = -87.0f, hi = 88.0f, magic = 12582912.0f, c1 = 6.93359375e-01f, c2 = -2.12194440e-4f;
    enum { DEGREE = 7, MANTISSA = 23, BIAS = 127 };
#endif
    static const REAL inverse_factorial[] = {1.0, 1.0, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040,
                                             1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600};
    const vec v = NAME(at_most)(NAME(splat)(hi), NAME(at_least)(NAME(splat)(lo), x));
    /* Adding 1.5 * 2^MANTISSA leaves round(v / ln 2) in the low bits. */
    vec shifted = v * (REAL)1.4426950408889634074 + magic;
    vec n = shifted - magic;
    vec r = (v - n * c1) - n * c2;
    vec p = NAME(splat)(inverse_factorial[DEGREE]);
    for (int i = DEGREE - 1; i >= 0; i--) p = p * r + inverse_factorial[i];
#if defined(__AVX512F__) && IS_DOUBLE
    return (vec)_mm512_scalef_pd((__m512d)p, (__m512d)n);
#elif defined(__AVX512F__)
    return (vec)_mm512_scalef_ps((__m512)p, (__m512)n);
#else
    NAME(ivec_t) bits = ((NAME(ivec_t))shifted - (NAME(ivec_t))NAME(splat)(magic) + BIAS) << MANTISSA;
    return p * (vec)bits;
#endif
}

INLINE vec NAME(activate)(vec v, int activation, REAL slope) {
    const vec zero = {0};
    switch (activation) {
    case ACT_RELU:
        return NAME(at_least)(zero, v);
    case ACT_RELU6:
        return NAME(at_most)(zero + (REAL)6, NAME(at_least)(zero, v));
    case ACT_LEAKY_RELU:
        return NAME(select)(v < zero, v * slope, v);
    case ACT_SIGMOID:
        return 1 / (1 + NAME(exp)(-v));
    case ACT_SILU:
        return v / (1 + NAME(exp)(-v));
    default:
        return v;
    }
}

/* The activation, if it is a clamp, of n values in registers. */
INLINE void NAME(clamp)(vec *v, const int n, int activation) {
    const vec zero = {0};
    if (activation == ACT_NONE) return;
    UNROLL for (int i = 0; i < n; i++) v[i] = NAME(at_least)(zero, v[i]);
    if (activation == ACT_RELU) return;
    UNROLL for (int i = 0; i < n; i++) v[i] = NAME(at_most)(zero + (REAL)6, v[i]);
}

/* The activation of n vectors in memory. */
static __attribute__((noinline, unused)) void NAME(activate_all)(vec *v, int64_t n, int activation, REAL slope) {
#define CASE(code) \
    case code: for (int64_t i = 0; i < n; i++) v[i] = NAME(activate)(v[i], code, slope); break;
    switch (activation) { CASE(ACT_RELU) CASE(ACT_RELU6) CASE(ACT_LEAKY_RELU) CASE(ACT_SIGMOID) CASE(ACT_SILU) }
#undef CASE
}

/* Activations applied to vectors at the end of a convolution (template: REAL, NAME, IS_DOUBLE). */
#ifndef FASTCONV_ACTIVATION_CODES
#define FASTCONV_ACTIVATION_CODES
/* The order of algorithms.base.ACTIVATIONS. */
enum { ACT_NONE, ACT_RELU, ACT_RELU6, ACT_LEAKY_RELU, ACT_SIGMOID, ACT_SILU };
#endif

/* Lanes of a where the mask is all ones, of b where it is zero. */
INLINE vec NAME(select)(NAME(ivec_t) mask, vec a, vec b) {
    return (vec)((mask & (NAME(ivec_t))a) | (~mask & (NAME(ivec_t))b));
}

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
    vec v = NAME(select)(x < lo, NAME(splat)(lo), x);
    v = NAME(select)(v > hi, NAME(splat)(hi), v);
    /* Adding 1.5 * 2^MANTISSA leaves round(v / ln 2) in the low bits. */
    vec shifted = v * (REAL)1.4426950408889634074 + magic;
    vec n = shifted - magic;
    vec r = (v - n * c1) - n * c2;
    vec p = NAME(splat)(inverse_factorial[DEGREE]);
    for (int i = DEGREE - 1; i >= 0; i--) p = p * r + inverse_factorial[i];
    NAME(ivec_t) bits = ((NAME(ivec_t))shifted - (NAME(ivec_t))NAME(splat)(magic) + BIAS) << MANTISSA;
    return p * (vec)bits;
}

INLINE vec NAME(activate)(vec v, int activation, REAL slope) {
    const vec zero = {0};
    switch (activation) {
    case ACT_RELU: /* written so that a NaN stays */
        return NAME(select)(v < zero, zero, v);
    case ACT_RELU6:
        v = NAME(select)(v < zero, zero, v);
        return NAME(select)(v > (REAL)6, zero + (REAL)6, v);
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

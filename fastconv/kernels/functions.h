/* Functions of one variable beyond those that convolutions fuse, and derivatives, on vectors (template: REAL, NAME, IS_DOUBLE). */
#ifndef FASTCONV_FUNCTION_CODES
#define FASTCONV_FUNCTION_CODES
/* Behind the codes of activation.h, in the order of functional.activation.FUNCTIONS. */
enum { ACT_TANH = ACT_SILU + 1, ACT_GELU, ACT_GELU_TANH, ACT_SOFTPLUS };
#endif

/* |v|, and the magnitude of a with the sign of b. */
INLINE vec NAME(absolute)(vec v) {
    const NAME(ivec_t) sign = (NAME(ivec_t))NAME(splat)((REAL)-0.0);
    return (vec)((NAME(ivec_t))v & ~sign);
}
INLINE vec NAME(with_sign)(vec a, vec b) {
    const NAME(ivec_t) sign = (NAME(ivec_t))NAME(splat)((REAL)-0.0);
    return (vec)(((NAME(ivec_t))a & ~sign) | ((NAME(ivec_t))b & sign));
}

/* exp(x) - 1 for x between 0 and 700 (float: 80): with x = n ln 2 + r, 2^n (exp(r) - 1) + (2^n - 1), where nothing cancels. */
INLINE vec NAME(expm1)(vec x) {
#if IS_DOUBLE
    const REAL magic = 6755399441055744.0, c1 = 6.93147180369123816490e-01, c2 = 1.90821492927058770002e-10;
    enum { DEGREE = 13, MANTISSA = 52, BIAS = 1023 };
#else
    const REAL magic = 12582912.0f, c1 = 6.93359375e-01f, c2 = -2.12194440e-4f;
    enum { DEGREE = 7, MANTISSA = 23, BIAS = 127 };
#endif
    static const REAL inverse_factorial[] = {1.0, 1.0, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040,
                                             1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600,
                                             1.0 / 6227020800.0};
    vec shifted = x * (REAL)1.4426950408889634074 + magic, n = shifted - magic, r = (x - n * c1) - n * c2;
    vec p = NAME(splat)(inverse_factorial[DEGREE]);
    for (int i = DEGREE - 1; i >= 2; i--) p = p * r + inverse_factorial[i];
    p = p * (r * r) + r;
    vec power = (vec)(((NAME(ivec_t))shifted - (NAME(ivec_t))NAME(splat)(magic) + BIAS) << MANTISSA);
    return power * p + (power - 1);
}

/* tanh |x| = t / (t + 2) with t = exp(2 |x|) - 1; beyond the clamp it is 1 in either type. A NaN stays one. */
INLINE vec NAME(tanh)(vec x) {
    vec a = NAME(absolute)(x) * 2, limit = NAME(splat)(44);
    vec t = NAME(expm1)(NAME(select)(a > limit, limit, a));
    return NAME(select)(x == x, NAME(with_sign)(t / (t + 2), x), x);
}

/* exp(-x^2 / 2). x^2 is taken in two parts, because its rounding error would be multiplied by itself: x = head + rest with a head
 * of half the digits, so that head^2 is exact. */
INLINE vec NAME(gaussian)(vec x) {
#if IS_DOUBLE
    const int64_t low = (1LL << 27) - 1;
    const REAL limit = 707;
#else
    const int32_t low = (1 << 12) - 1;
    const REAL limit = 87;
#endif
    vec head = (vec)((NAME(ivec_t))x & ~((NAME(ivec_t)){0} + low));
    vec square = head * head / 2, rest = (x - head) * (x + head) / 2;
    vec e = NAME(exp)(-square) * (1 - rest * (1 - rest * ((REAL)0.5 - rest * (REAL)(1.0 / 6))));
    /* Where exp would have clamped, x^2 included as a whole, for infinities too. */
    return NAME(select)(x * x > 2 * limit, (vec){0}, e);
}

/* The normal distribution's cumulative function Phi, given gaussian(x). With z = |x| / sqrt(2), Phi(-|x|) = exp(-z^2) erfcx(z) / 2,
 * and (1 + 2 z) erfcx(z) is smooth in (z - 3) / (z + 3): Chebyshev series of it (as Shepherd and Laframboise 1981 have it for
 * another origin), computed in 50 digits and truncated. */
INLINE vec NAME(normal)(vec x, vec gaussian) {
#if IS_DOUBLE
    static const REAL p[] = {
        1.2530080582697296471,    -0.13562110612458115851,  -0.047562294353449196685, 0.12964515870275939232,
        -0.11927366341538638408,  0.068308027344009903797,  -0.023770514917171336801, 0.0025293918156939695289,
        0.0018886903449991718495, -0.00077983226965433065201, -0.00010515971958448064841, 0.00012509934245837290944,
        4.9491966499683453145e-6, -0.000020100542268525610943, -7.3082814687836139291e-7, 3.4723709449771681704e-6,
        3.5576086684080594355e-7, -6.1660114603987259305e-7, -1.4047654315428462329e-7, 1.0183620603842736649e-7,
        4.1064013667940352768e-8, -1.3312919661038687714e-8, -8.2175950587114538556e-9, 9.8625335103455875929e-10,
        8.3937348586908775496e-10};
#else
    static const REAL p[] = {1.2530080563677553423f,    -0.1356210694002736027f,   -0.0475621569275200741f,  0.12964411434408139391f,
                             -0.11927527528224089297f,  0.068316567771140853377f,  -0.023763576439495039671f, 0.0024991168696069475641f,
                             0.0018750791237723530031f, -0.00072645367903404842363f, -0.000092545166869239659643f,
                             0.000077310242240768950556f};
#endif
    enum { TERMS = sizeof p / sizeof p[0] };
    vec z = NAME(absolute)(x) * (REAL)0.70710678118654752440;
    z = NAME(select)(z > (REAL)40, (vec){0} + 40, z); /* far beyond where the result is 0 or 1 */
    vec u = (z - 3) / (z + 3);
    vec s = NAME(splat)(p[TERMS - 1]);
    for (int i = TERMS - 2; i >= 0; i--) s = s * u + p[i];
    vec tail = gaussian * s / (2 + 4 * z);
    return NAME(select)(x > (vec){0}, 1 - tail, tail);
}

/* The argument of the sigmoid that approximates Phi (Hendrycks and Gimpel 2016), 2 sqrt(2 / pi) (x + 0.044715 x^3), and its
 * derivative. */
#define GELU_RATE ((REAL)1.5957691216057307117)
#define GELU_CUBIC ((REAL)0.044715)

/* softplus: max(x, 0) + log1p(exp(-|x|)), with log1p(t) = 2 artanh(t / (t + 2)); the quotient is at most 1/3. */
INLINE vec NAME(softplus)(vec x) {
    enum { TERMS = IS_DOUBLE ? 17 : 8 };
    const vec zero = {0};
    vec a = NAME(absolute)(x), t = NAME(exp)(-a), q = t / (t + 2), square = q * q;
    vec s = NAME(splat)((REAL)(1.0 / (2 * TERMS - 1)));
    for (int i = TERMS - 2; i >= 0; i--) s = s * square + (REAL)1 / (2 * i + 1);
    return NAME(select)(x < zero, zero, x) + 2 * q * s;
}

/* Every function; a NaN stays one. */
INLINE vec NAME(function)(vec v, int code, REAL slope) {
    switch (code) {
    case ACT_TANH:
        return NAME(tanh)(v);
    case ACT_GELU:
        return v * NAME(normal)(v, NAME(gaussian)(v));
    case ACT_GELU_TANH:
        return v / (1 + NAME(exp)(-v * GELU_RATE * (1 + GELU_CUBIC * v * v)));
    case ACT_SOFTPLUS:
        return NAME(softplus)(v);
    default:
        return NAME(activate)(v, code, slope);
    }
}

/* gy times the derivative. `saved` is the output of relu, relu6, leaky_relu, sigmoid and tanh (for the first three it may as well be
 * the argument, which has the same sign), and the argument of the others. ReLU's comparisons are PyTorch's: a NaN passes. */
INLINE vec NAME(masked)(vec gy, vec saved, int code, REAL slope) {
    const vec zero = {0};
    vec s, u;
    switch (code) {
    case ACT_RELU:
        return NAME(select)(saved <= zero, zero, gy);
    case ACT_RELU6:
        return NAME(select)((saved <= zero) | (saved >= zero + (REAL)6), zero, gy);
    case ACT_LEAKY_RELU:
        return NAME(select)(saved > zero, gy, gy * slope);
    case ACT_SIGMOID:
        return gy * (saved * (1 - saved));
    case ACT_TANH:
        return gy * (1 - saved * saved);
    case ACT_SILU:
        s = 1 / (1 + NAME(exp)(-saved));
        return gy * (s * (1 + saved * (1 - s)));
    case ACT_GELU:
        u = NAME(gaussian)(saved);
        return gy * (NAME(normal)(saved, u) + saved * u * (REAL)0.39894228040143267794); /* 1 / sqrt(2 pi) */
    case ACT_GELU_TANH:
        u = saved * saved;
        s = 1 / (1 + NAME(exp)(-saved * GELU_RATE * (1 + GELU_CUBIC * u)));
        return gy * (s + s * (1 - s) * saved * GELU_RATE * (1 + 3 * GELU_CUBIC * u));
    case ACT_SOFTPLUS:
        return gy / (1 + NAME(exp)(-saved));
    default:
        return gy;
    }
}

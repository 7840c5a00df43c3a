/* What pooling does with lanes beside arithmetic: comparisons as masks, and numbers of taps (template: REAL, NAME, IS_DOUBLE). */
#ifndef FASTCONV_POOL_TAPS
#define FASTCONV_POOL_TAPS
/* How the number of each output's greatest tap is stored: not at all, as bytes, as 32-bit integers, or one to a lane of REAL's size. */
enum { TAPS_NONE, TAPS_BYTES, TAPS_WIDE, TAPS_LANES };
#endif

#if defined(__AVX512F__) && IS_DOUBLE
typedef __mmask8 NAME(lanes);
INLINE NAME(lanes) NAME(above)(vec a, vec b) { return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_GT_OQ); }
INLINE NAME(lanes) NAME(is_nan)(vec a) { return _mm512_cmp_pd_mask((__m512d)a, (__m512d)a, _CMP_UNORD_Q); }
INLINE NAME(lanes) NAME(same)(NAME(ivec_t) a, NAME(ivec_t) b) { return _mm512_cmpeq_epi64_mask((__m512i)a, (__m512i)b); }
INLINE vec NAME(keep)(NAME(lanes) m, vec a) { return (vec)_mm512_maskz_mov_pd(m, (__m512d)a); }
INLINE vec NAME(either)(NAME(lanes) m, vec a, vec b) { return (vec)_mm512_mask_mov_pd((__m512d)b, m, (__m512d)a); }
INLINE NAME(ivec_t) NAME(either_tap)(NAME(lanes) m, NAME(ivec_t) a, NAME(ivec_t) b) {
    return (NAME(ivec_t))_mm512_mask_mov_epi64((__m512i)b, m, (__m512i)a);
}
INLINE NAME(ivec_t) NAME(load_bytes)(const uint8_t *p, int64_t n) {
    return (NAME(ivec_t))_mm512_cvtepu8_epi64(_mm_maskz_loadu_epi8((__mmask16)((1u << MIN(n, VL)) - 1), p));
}
INLINE void NAME(store_bytes)(uint8_t *p, NAME(ivec_t) t, int64_t n) {
    _mm_mask_storeu_epi8(p, (__mmask16)((1u << MIN(n, VL)) - 1), _mm512_cvtepi64_epi8((__m512i)t));
}
#elif defined(__AVX512F__)
typedef __mmask16 NAME(lanes);
INLINE NAME(lanes) NAME(above)(vec a, vec b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ); }
INLINE NAME(lanes) NAME(is_nan)(vec a) { return _mm512_cmp_ps_mask((__m512)a, (__m512)a, _CMP_UNORD_Q); }
INLINE NAME(lanes) NAME(same)(NAME(ivec_t) a, NAME(ivec_t) b) { return _mm512_cmpeq_epi32_mask((__m512i)a, (__m512i)b); }
INLINE vec NAME(keep)(NAME(lanes) m, vec a) { return (vec)_mm512_maskz_mov_ps(m, (__m512)a); }
INLINE vec NAME(either)(NAME(lanes) m, vec a, vec b) { return (vec)_mm512_mask_mov_ps((__m512)b, m, (__m512)a); }
INLINE NAME(ivec_t) NAME(either_tap)(NAME(lanes) m, NAME(ivec_t) a, NAME(ivec_t) b) {
    return (NAME(ivec_t))_mm512_mask_mov_epi32((__m512i)b, m, (__m512i)a);
}
INLINE NAME(ivec_t) NAME(load_bytes)(const uint8_t *p, int64_t n) {
    const __m128i bytes = n >= VL ? _mm_loadu_si128((const __m128i *)p) : _mm_maskz_loadu_epi8((__mmask16)((1u << n) - 1), p);
    return (NAME(ivec_t))_mm512_cvtepu8_epi32(bytes);
}
INLINE void NAME(store_bytes)(uint8_t *p, NAME(ivec_t) t, int64_t n) {
    const __m128i bytes = _mm512_cvtepi32_epi8((__m512i)t);
    if (n >= VL)
        _mm_storeu_si128((__m128i *)p, bytes);
    else
        _mm_mask_storeu_epi8(p, (__mmask16)((1u << n) - 1), bytes);
}
#else
typedef NAME(ivec_t) NAME(lanes);
INLINE NAME(lanes) NAME(above)(vec a, vec b) { return a > b; }
INLINE NAME(lanes) NAME(is_nan)(vec a) { return a != a; }
INLINE NAME(lanes) NAME(same)(NAME(ivec_t) a, NAME(ivec_t) b) { return a == b; }
INLINE vec NAME(keep)(NAME(lanes) m, vec a) { return (vec)(m & (NAME(ivec_t))a); }
INLINE vec NAME(either)(NAME(lanes) m, vec a, vec b) { return NAME(select)(m, a, b); }
INLINE NAME(ivec_t) NAME(either_tap)(NAME(lanes) m, NAME(ivec_t) a, NAME(ivec_t) b) { return (m & a) | (~m & b); }
INLINE NAME(ivec_t) NAME(load_bytes)(const uint8_t *p, int64_t n) {
#if defined(__AVX2__) && !IS_DOUBLE
    if (n >= VL) return (NAME(ivec_t))_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
#elif defined(__SSE2__) && !IS_DOUBLE
    if (n >= VL) {
        int32_t four;
        memcpy(&four, p, sizeof four);
        const __m128i zero = _mm_setzero_si128();
        return (NAME(ivec_t))_mm_unpacklo_epi16(_mm_unpacklo_epi8(_mm_cvtsi32_si128(four), zero), zero);
    }
#endif
    NAME(ivec_t) t = {0};
    UNROLL for (int l = 0; l < VL; l++) if (l < n) t[l] = p[l];
    return t;
}
INLINE void NAME(store_bytes)(uint8_t *p, NAME(ivec_t) t, int64_t n) {
#if defined(__AVX2__) && !IS_DOUBLE
    if (n >= VL) {
        const __m128i low = _mm256_castsi256_si128((__m256i)t), high = _mm256_extracti128_si256((__m256i)t, 1);
        const __m128i pairs = _mm_packs_epi32(low, high);
        _mm_storel_epi64((__m128i *)p, _mm_packus_epi16(pairs, pairs));
        return;
    }
#elif defined(__SSE2__) && !IS_DOUBLE
    if (n >= VL) {
        const __m128i pairs = _mm_packs_epi32((__m128i)t, (__m128i)t);
        const int32_t four = _mm_cvtsi128_si32(_mm_packus_epi16(pairs, pairs));
        memcpy(p, &four, sizeof four);
        return;
    }
#endif
    UNROLL for (int l = 0; l < VL; l++) if (l < n) p[l] = (uint8_t)t[l];
}
#endif

#if IS_DOUBLE
INLINE NAME(ivec_t) NAME(tap_splat)(int64_t t) { return t - (NAME(ivec_t)){0}; }
#else
INLINE NAME(ivec_t) NAME(tap_splat)(int64_t t) { return (int32_t)t - (NAME(ivec_t)){0}; }
#endif

/* Taps i .. of the first n lanes, n <= VL. */
INLINE NAME(ivec_t) NAME(load_taps)(const void *taps, int64_t i, int64_t n, const int kind) {
    if (kind == TAPS_BYTES) return NAME(load_bytes)((const uint8_t *)taps + i, n);
    if (kind == TAPS_LANES) return (NAME(ivec_t))NAME(load)((const REAL *)taps + i);
    NAME(ivec_t) t = {0};
    for (int l = 0; l < MIN(n, VL); l++) t[l] = ((const int32_t *)taps)[i + l];
    return t;
}

INLINE void NAME(store_taps)(void *taps, int64_t i, NAME(ivec_t) t, int64_t n, const int kind) {
    if (kind == TAPS_BYTES)
        NAME(store_bytes)((uint8_t *)taps + i, t, n);
    else if (kind == TAPS_LANES)
        NAME(store)((REAL *)taps + i, (vec)t);
    else if (kind == TAPS_WIDE)
        for (int l = 0; l < MIN(n, VL); l++) ((int32_t *)taps)[i + l] = (int32_t)t[l];
}

/* v beats the greatest so far: a NaN beats everything, so that it stays; an equal value does not, so that the first wins. */
INLINE NAME(lanes) NAME(beats)(vec v, vec greatest) { return NAME(above)(v, greatest) | NAME(is_nan)(v); }

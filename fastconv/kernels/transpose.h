/* In-register transpose of VL x VL elements (template: REAL, NAME): log2(VL) rounds that swap blocks off the diagonal. */

INLINE void NAME(transpose_round)(vec *v, const int d) {
    NAME(ivec_t) low, high;
    UNROLL for (int l = 0; l < VL; l++) {
        low[l] = l & d ? VL + l - d : l;
        high[l] = l & d ? VL + l : l + d;
    }
    UNROLL for (int i = 0; i < VL; i++) {
        if (i & d) continue;
        vec a = v[i], b = v[i + d];
#ifdef __clang__
        UNROLL for (int l = 0; l < VL; l++) {
            v[i][l] = l & d ? b[l - d] : a[l];
            v[i + d][l] = l & d ? b[l] : a[l + d];
        }
#else
        v[i] = __builtin_shuffle(a, b, low);
        v[i + d] = __builtin_shuffle(a, b, high);
#endif
    }
}

INLINE void NAME(transpose)(vec *v) {
    NAME(transpose_round)(v, 1);
    if (VL > 2) NAME(transpose_round)(v, 2);
    if (VL > 4) NAME(transpose_round)(v, 4);
    if (VL > 8) NAME(transpose_round)(v, 8);
}

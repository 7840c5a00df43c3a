# cython: language_level=3, freethreading_compatible=True
"""What the processor and the operating system offer, and what the kernels were built with."""

cdef extern from *:
    """
    #if defined(__x86_64__) || defined(_M_X64)
    static int cpu_has_avx2(void) {
        __builtin_cpu_init();
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    }
    static int cpu_has_avx512(void) {
        __builtin_cpu_init();
        return cpu_has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
    }
    #else
    static int cpu_has_avx2(void) { return 0; }
    static int cpu_has_avx512(void) { return 0; }
    #endif
    #if defined(__clang__)
    #define COMPILER "Clang " __clang_version__
    #elif defined(__GNUC__)
    #define COMPILER "GCC " __VERSION__
    #else
    #define COMPILER "unknown"
    #endif
    #ifdef _OPENMP
    #define OPENMP _OPENMP
    #else
    #define OPENMP 0
    #endif
    """
    const char *COMPILER
    int OPENMP
    int cpu_has_avx2()
    int cpu_has_avx512()


def instruction_sets():
    """Names of the instruction sets that can run here, lowest first."""
    sets = ["baseline"]
    if cpu_has_avx2():
        sets.append("avx2")
    if cpu_has_avx512():
        sets.append("avx512")
    return tuple(sets)


def compiler():
    """Name and version of the compiler that built the kernels."""
    return COMPILER.decode()


def openmp():
    """OpenMP's version as its year and month (201511 is 4.5); 0 for a build without it."""
    return OPENMP

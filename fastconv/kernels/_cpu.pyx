# cython: language_level=3, freethreading_compatible=True
"""What the processor and the operating system offer, and what the kernels were built with."""

cdef extern from *:
    """
    #if defined(__x86_64__) || defined(_M_X64)
    #include <cpuid.h>
    /* Whether there are the instructions of these bits (leaf 7, EBX), and FMA, and the system saves these registers (XCR0).
       Not __builtin_cpu_supports: on Windows its data are in a library of Clang's that Microsoft's linker does not look at. */
    static int cpu_has(unsigned instructions, unsigned registers) {
        unsigned eax, ebx, ecx, edx, saved, high;
        if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE) || !(ecx & bit_FMA)) return 0;
        __asm__ volatile("xgetbv" : "=a"(saved), "=d"(high) : "c"(0));
        if ((saved & registers) != registers || !__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return 0;
        return (ebx & instructions) == instructions;
    }
    /* XCR0: SSE and AVX registers; for AVX-512 also the masks, and the upper halves and the second half of the vectors. */
    static int cpu_has_avx2(void) { return cpu_has(bit_AVX2, 0x06); }
    static int cpu_has_avx512(void) {
        return cpu_has(bit_AVX2 | bit_AVX512F | bit_AVX512VL | bit_AVX512BW | bit_AVX512DQ, 0xe6);
    }
    /* Leaf 7, EDX, ECX and, of its second part, EAX: compilers name these bits differently. */
    enum { AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24, AVX512_VBMI = 1 << 1, AVX512_BF16 = 1 << 5 };
    static int cpu_has_amx(void) {
        unsigned eax, ebx, ecx, edx, amx = AMX_TILE | AMX_BF16;
        if (!cpu_has_avx512() || !__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || (edx & amx) != amx) return 0;
        if (!(ecx & AVX512_VBMI)) return 0;
        return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax & AVX512_BF16);
    }
    #else
    static int cpu_has_avx2(void) { return 0; }
    static int cpu_has_avx512(void) { return 0; }
    static int cpu_has_amx(void) { return 0; }
    #endif
    #if defined(__x86_64__) && defined(__linux__)
    #include <sys/syscall.h>
    #include <unistd.h>
    /* arch/x86/include/uapi/asm/prctl.h; the tiles' configuration and data are components 17 and 18 of XCR0. */
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILECFG = 17, XFEATURE_XTILEDATA = 18 };
    static int request_tiles(void) {
        unsigned saved, high, tiles = 1u << XFEATURE_XTILECFG | 1u << XFEATURE_XTILEDATA;
        __asm__ volatile("xgetbv" : "=a"(saved), "=d"(high) : "c"(0));
        return (saved & tiles) == tiles && !syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA);
    }
    #else
    static int request_tiles(void) { return 0; }
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
    #include "team.h"
    #ifdef OWN_TEAM
    enum { TEAM = 1 };
    #else
    enum { TEAM = 0 };
    #endif
    """
    const char *COMPILER
    int OPENMP
    int TEAM
    int cpu_has_avx2()
    int cpu_has_avx512()
    int cpu_has_amx()
    int request_tiles()


def instruction_sets():
    """Names of the instruction sets of this processor, lowest first; `amx` can run where `grants_tiles`."""
    sets = ["baseline"]
    if cpu_has_avx2():
        sets.append("avx2")
    if cpu_has_avx512():
        sets.append("avx512")
    if cpu_has_amx():
        sets.append("amx")
    return tuple(sets)


def grants_tiles():
    """Ask the operating system for the matrix units of a processor with `amx`: whether this process may use them.

    A grant holds for all threads, for children by fork and until the process ends.
    """
    return bool(request_tiles())


def compiler():
    """Name and version of the compiler that built the kernels."""
    return COMPILER.decode()


def openmp():
    """OpenMP's version as its year and month (201511 is 4.5); 0 for a build without it."""
    return OPENMP


def own_team():
    """Whether team.c runs the parallel regions, and not the compiler's OpenMP library."""
    return bool(TEAM)

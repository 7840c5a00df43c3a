/* Whether team.c runs the parallel regions: on Linux with GCC. Elsewhere the compiler's OpenMP library does. */
#if defined(_OPENMP) && defined(__linux__) && !defined(__clang__)
#define OWN_TEAM
#endif

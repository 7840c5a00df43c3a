/* Includes the kernel template TEMPLATE for float and then for double: a poor man's C++ template. */
#include "simd.h"

#define REAL float
#define NAME(x) x##_f32
#define IS_DOUBLE 0
#include "vector.h"
#include "activation.h"
#include TEMPLATE
#undef REAL
#undef NAME
#undef IS_DOUBLE

#define REAL double
#define NAME(x) x##_f64
#define IS_DOUBLE 1
#include "vector.h"
#include "activation.h"
#include TEMPLATE
#undef REAL
#undef NAME
#undef IS_DOUBLE

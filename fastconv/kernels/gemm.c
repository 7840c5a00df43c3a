/* The register-tiled matrix kernels for both element types; see gemm.h. */
#define TEMPLATE "gemm_kernels.h"
#include "each_type.h"

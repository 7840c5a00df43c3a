/* Convolution by tiled FFT: what does not depend on the element type, and the template for both types. */
#include "fft_tile.h"

int fft_vector_bytes(void) { return SIMD_BYTES; }

#define TEMPLATE "fft.h"
#include "each_type.h"

/* The templates of direct.c, in their order. */
#include "direct.h"
#include "direct_weight.h"
#include "pixel_weight.h"

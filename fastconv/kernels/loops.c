#define TEMPLATE "loops.h"
#include "each_type.h"

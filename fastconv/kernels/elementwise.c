#define TEMPLATE "elementwise.h"
#include "each_type.h"

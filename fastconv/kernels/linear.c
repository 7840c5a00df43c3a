#define TEMPLATE "linear.h"
#include "each_type.h"

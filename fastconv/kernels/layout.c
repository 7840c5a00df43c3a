#define TEMPLATE "layout.h"
#include "each_type.h"

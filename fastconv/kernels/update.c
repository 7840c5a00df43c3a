#define TEMPLATE "update.h"
#include "each_type.h"

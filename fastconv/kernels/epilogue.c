#define TEMPLATE "epilogue.h"
#include "each_type.h"

# winograd kernels

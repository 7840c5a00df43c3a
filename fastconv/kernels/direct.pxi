# direct kernels

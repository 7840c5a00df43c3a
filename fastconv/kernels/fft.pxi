# fft kernels

# im2col kernels

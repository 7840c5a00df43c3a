# The arithmetic of optimizers: see update.h.

from cpython.mem cimport PyMem_Free, PyMem_Malloc

cdef extern from "update.h" nogil:
    enum:
        UPDATE_SCALE, UPDATE_CLIP, UPDATE_DECAY, UPDATE_MOMENTUM, UPDATE_NESTEROV, UPDATE_ADAM, UPDATE_AMSGRAD, UPDATE_RMS
        UPDATE_CENTERED, UPDATE_ADAGRAD
        UPDATE_NUMBERS, UPDATE_ARRAYS
        SQUARES_BLOCK
    ctypedef struct update_stage:
        int operation
        double number[4]
        void *array[3]
    void update_f32(int64_t size, const float *gradient, float *p, const update_stage *stages, int64_t count, double lr,
                    float *out, int threads)
    void update_f64(int64_t size, const double *gradient, double *p, const update_stage *stages, int64_t count, double lr,
                    double *out, int threads)
    void squares_f32(int64_t size, const float *x, double *sums, int threads)
    void squares_f64(int64_t size, const double *x, double *sums, int threads)

_OPERATIONS = {
    "scale": UPDATE_SCALE, "clip": UPDATE_CLIP, "decay": UPDATE_DECAY, "momentum": UPDATE_MOMENTUM,
    "nesterov": UPDATE_NESTEROV, "adam": UPDATE_ADAM, "amsgrad": UPDATE_AMSGRAD, "rms": UPDATE_RMS,
    "centered": UPDATE_CENTERED, "adagrad": UPDATE_ADAGRAD,
}


def update(cnp.ndarray gradient not None, cnp.ndarray p not None, list stages not None, double lr, cnp.ndarray out,
           int threads):
    """p -= lr * what the stages, each (operation, numbers, arrays), make of the gradient; or only that, in `out`."""
    cdef int64_t size = cnp.PyArray_SIZE(gradient)
    cdef int64_t count = len(stages)
    cdef void *pg = data(gradient)
    cdef void *pp = data(p)
    cdef void *po = data(out)
    cdef bint double_ = is_double(gradient)
    cdef update_stage *all_stages = <update_stage *>PyMem_Malloc(max(1, count) * sizeof(update_stage))
    cdef int64_t i, j
    if all_stages == NULL:
        raise MemoryError
    try:
        for i in range(count):
            operation, numbers, arrays = stages[i]
            all_stages[i].operation = _OPERATIONS[operation]
            for j in range(UPDATE_NUMBERS):
                all_stages[i].number[j] = numbers[j] if j < len(numbers) else 0
            for j in range(UPDATE_ARRAYS):
                all_stages[i].array[j] = data(arrays[j]) if j < len(arrays) else NULL
        with nogil:
            if double_:
                update_f64(size, <double *>pg, <double *>pp, all_stages, count, lr, <double *>po, threads)
            else:
                update_f32(size, <float *>pg, <float *>pp, all_stages, count, lr, <float *>po, threads)
    finally:
        PyMem_Free(all_stages)


def sum_of_squares(cnp.ndarray x not None, int threads):
    """Of a contiguous array: squares and sums of blocks in its own precision, their sum in double."""
    cdef int64_t size = cnp.PyArray_SIZE(x)
    cdef int64_t blocks = (size + SQUARES_BLOCK - 1) // SQUARES_BLOCK
    cdef void *px = data(x)
    cdef bint double_ = is_double(x)
    cdef double total = 0
    cdef double *sums = <double *>PyMem_Malloc(max(1, blocks) * sizeof(double))
    cdef int64_t i
    if sums == NULL:
        raise MemoryError
    with nogil:
        if double_:
            squares_f64(size, <double *>px, sums, threads)
        else:
            squares_f32(size, <float *>px, sums, threads)
        for i in range(blocks):
            total += sums[i]
    PyMem_Free(sums)
    return total

"""Convolutional networks on the CPU, each layer with the fastest convolution algorithm for its shape."""

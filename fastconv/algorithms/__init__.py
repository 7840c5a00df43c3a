"""Convolution algorithms and their registry."""

from .base import ACTIVATIONS, Activation, ConvAlgorithm
from .registry import get, names, register, registered, unregister

__all__ = ["ACTIVATIONS", "Activation", "ConvAlgorithm", "get", "names", "register", "registered", "unregister"]

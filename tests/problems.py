"""The convolutions that every algorithm is tested on.

Small ones, chosen for their edges: channel counts around the vector lengths (4 to 16 lanes), tiles that do not divide, images
of one pixel, padding beyond the kernel, windows that skip pixels.
"""

from fastconv.problem import DIRECTIONS, DTYPES, MEMORY_FORMATS, ConvProblem

# Run with every instruction set.
EVERYWHERE = {
    "one channel": "1x1x8x8,1x3x3,p1",
    "3 to 17 channels": "2x3x9x10,17x3x3,p1",
    "17 to 35 channels": "1x17x7x9,35x3x3,p1",
    "64 to 130 channels": "1x64x6x7,130x3x3,p1",
    "first layer": "2x3x13x11,16x7x7,s2,p3",
    "1x1": "2x17x7x5,35x1x1",
    "1x1 with stride": "1x16x9x8,33x1x1,s2",
    "1x1 in groups": "2x8x5x5,12x1x1,g4",
    "one-pixel image": "3x3x1x1,17x3x3,p1",
    "few channels, several strips of tiles": "2x3x9x141,20x3x3,p0.1x1.2",
    "few filters": "2x32x11x19,3x3x3,p1",
    "few filters backwards": "2x3x11x19,32x3x3,p1",
    "1x1, vectors that overlap": "2x20x14x14,9x1x1",
    "kernel is the padded image": "2x5x4x3,7x6x5,p1",
    "tiles do not divide": "1x16x13x11,17x3x3,p1",
    "several blocks of tiles": "2x16x30x29,16x3x3,p1",
    "stride 2": "2x16x9x9,17x3x3,s2,p1",
    "stride 2x1": "1x17x9x8,16x3x3,s2x1,p1",
    "stride beyond the kernel": "1x5x11x11,6x2x2,s3",
    "asymmetric padding": "2x3x8x7,16x3x3,p0.1x2.0",
    "padding beyond the kernel": "1x4x4x5,17x3x3,p4x5",
    "dilation": "1x16x9x10,17x3x3,p2,d2",
    "groups": "2x6x7x7,34x3x3,p1,g2",
    "groups of 8 filters": "1x40x6x17,40x3x3,p1,g5",
    "groups of 4 filters": "2x36x7x16,36x3x3,p1,g9",
    "groups of 2 filters": "1x34x6x9,34x3x3,p1,g17",
    "groups of fewer channels": "1x15x6x7,30x3x3,p1,g5",
    "depthwise": "2x35x9x8,35x3x3,p1,g35",
    "depthwise with stride": "1x64x9x7,64x3x3,s2,p1,g64",
    "depthwise with multiplier": "1x17x6x7,34x3x3,p1,g17",
    "1x7": "1x16x6x12,17x1x7,p0x3",
    "5x5": "1x16x11x10,17x5x5,p2",
    "large kernel": "1x4x20x19,5x11x11,p5",
    "empty batch": "0x3x8x8,16x3x3,p1",
}

# Run with the highest instruction set only.
MORE = {
    "16 channels": "1x16x8x8,16x3x3,p1",
    "35 to 64 channels": "3x35x6x6,64x3x3,p1",
    "64 to 1 channels": "1x64x5x5,1x3x3,p1",
    "1x1, 64 channels": "1x64x9x9,64x1x1",
    "1x1 with padding": "2x3x4x5,16x1x1,p1",
    "1x1 with stride 3 and padding": "1x17x8x7,3x1x1,s3,p2",
    "one-pixel image, 1x1": "2x17x1x1,16x1x1",
    "1x1, many channels": "1x300x6x8,17x1x1",
    "1x1, many channels backwards": "1x17x6x8,300x1x1",
    "1x1 in groups, vectors that overlap": "2x24x14x14,30x1x1,g2",
    "1x1, one filter": "2x40x16x17,1x1x1",
    "few filters, some channels at a time": "1x300x20x33,2x3x3,p1",
    "few filters of 53 channels": "1x53x6x7,5x3x3,p1",
    "few filters, 5x5": "1x32x7x20,1x5x5,p2",
    "few filters with stride": "2x32x9x11,2x3x3,s2,p1",
    "few filters with stride backwards": "2x2x9x11,32x3x3,s2,p1",
    "few filters with stride and dilation": "1x48x13x12,3x3x2,s2x1,p2,d2x1",
    "one row": "1x16x1x33,16x3x3,p1",
    "one column": "1x3x29x1,5x3x3,p1",
    "one-pixel output": "2x16x3x3,17x3x3",
    "tiles divide": "1x16x12x12,16x3x3,p1",
    "wide": "1x3x5x70,18x3x3,p1",
    "no padding": "1x17x10x9,16x3x3",
    "image narrower than the stride": "2x20x5x1,24x3x3,s2,p1",
    "batch beyond the second-level cache": "5x40x44x45,24x3x3,s2,p1",
    "1x1 with stride, batch beyond the second-level cache": "4x48x43x44,40x1x1,s2",
    "pixels a page apart": "1x512x5x6,130x3x3,s2,p1",
    "first layer, patches": "1x3x35x48,20x16x16,s16",
    "first layer, stride 4": "2x4x27x30,34x7x7,s4x3,p2",
    "stride 3": "1x3x14x13,16x3x3,s3,p1",
    "stride leaves a remainder": "3x4x11x14,3x2x3,s4x5",
    "stride with padding beyond the kernel": "1x3x5x4,4x2x3,s2,p3x4",
    "even kernel": "1x3x7x7,5x4x4,p1.2",
    "dilation 2x3": "1x3x12x13,5x3x3,p2x3,d2x3",
    "dilation, several blocks of tiles": "2x16x37x41,17x3x3,p3,d3",
    "5x5 with dilation": "1x8x14x13,9x5x5,p4x2,d2x1",
    "stride 2, several tiles": "2x17x35x18,33x3x3,s2,p1",
    "stride 2, padding at the end": "1x9x18x17,8x3x3,s2,p0.1x0.1",
    "stride 2, wide padding": "1x3x7x9,4x3x3,s2,p2x3",
    "stride 2, padding 2": "3x5x8x10,6x3x3,s2,p2",
    "dilation with stride": "1x16x13x12,16x3x3,s2,p2,d2",
    "dilation with stride, 40 filters": "1x16x13x12,40x3x3,s2,p2,d2",
    "1x1 with stride, 64 filters": "2x17x9x8,64x1x1,s2",
    "stride 2x1, 32 filters": "1x17x9x8,32x3x3,s2x1,p1",
    "narrow groups with stride": "1x24x9x17,24x3x3,s2,p1,g3",
    "narrow groups, 5x5": "1x28x8x9,28x5x5,p2,g7",
    "narrow groups, 1x1": "2x40x5x7,40x1x1,g5",
    "narrow groups, dilation": "1x16x9x9,16x3x3,p2,d2,g4",
    "narrow groups of more channels": "1x36x6x16,8x3x3,p1,g2",
    "groups of 3 filters": "1x21x7x8,21x3x3,s2x1,p1,g7",
    "dilation in groups": "1x6x9x9,4x3x3,p2,d2,g2",
    "groups of 17 channels": "1x51x6x6,51x3x3,p1,g3",
    "groups with stride": "1x32x9x8,32x3x3,s2,p1,g4",
    "one filter per group": "1x16x6x6,4x3x3,p1,g4",
    "depthwise, 16 channels": "1x16x14x13,16x3x3,p1,g16",
    "depthwise, no padding": "1x20x7x6,20x3x3,g20",
    "depthwise 5x5, multiplier 3": "2x3x8x8,9x5x5,p2,g3",
    "depthwise 7x7": "1x16x11x10,16x7x7,p3,g16",
    "depthwise 5x5, wide": "2x3x6x33,3x5x5,p2,g3",
    "depthwise 7x7, wide": "1x3x17x20,3x7x7,p3,g3",
    "depthwise with stride, wide": "2x3x11x35,3x3x3,s2,p1,g3",
    "depthwise with stride, 35 channels": "2x35x11x10,35x3x3,s2,p1,g35",
    "depthwise with dilation": "1x16x10x10,16x3x3,p2,d2,g16",
    "depthwise with stride 2x1": "2x17x9x8,17x3x3,s2x1,p1.0x0.1,g17",
    "depthwise, kernel beyond the image": "1x18x4x3,18x9x9,p4,g18",
    "large depthwise kernel": "1x3x34x33,3x21x21,p10,g3",
    "7x1": "2x5x11x6,16x7x1,p3x0",
    "5x5 in groups": "1x8x9x9,16x5x5,p2,g2",
    "5x5 with stride": "1x3x12x11,8x5x5,s2,p2",
    "2x2": "1x17x6x6,16x2x2",
    "long reduction over channels": "1x600x4x5,9x3x3,p1",
    "long reduction over pixels": "3x3x40x41,4x3x3,p1",
    "few weights, many pixels": "2x3x47x49,32x3x3,p1",
    "few weights in groups, many pixels": "2x8x48x49,8x3x3,p1,g4",
    "empty batch, 1x1": "0x16x5x5,16x1x1",
    "empty batch, depthwise": "0x16x5x5,16x3x3,p1,g16",
    "empty batch, 5x5 with stride": "0x2x9x9,3x5x5,s2,p2",
}

CASES = EVERYWHERE | MORE

# Where data of uneven magnitude is the test: enough channels and tiles, every pixel in some window.
HARD_CASES = {
    "large channels": "1x256x8x8,24x3x3,p1",
    "several tiles": "2x17x19x18,16x3x3,p1",
    "5x5": "1x16x13x12,8x5x5,p2",
    "depthwise": "1x19x17x16,19x3x3,p1,g19",
    "1x1": "1x300x5x5,17x1x1",
    "stride 2": "1x16x11x12,9x3x3,s2,p1",
    "stride 2, several tiles": "2x24x33x19,16x3x3,s2,p1",
    "stride 2, many channels": "1x256x9x8,24x3x3,s2,p1",
    "large kernel": "1x3x24x25,4x13x13,p6",
}

# Layers as networks have them, where an error relative to each output's own |x| conv |w| is asked of every algorithm.
ORDINARY_CASES = {
    "3x3": "1x64x14x14,32x3x3,p1",
    "3x3, first layer": "1x3x32x32,16x3x3,p1",
    "5x5": "1x32x14x14,16x5x5,p2",
    "1x1": "1x64x14x14,32x1x1",
    "stride 2": "1x32x15x15,16x3x3,s2,p1",
    "depthwise": "1x32x15x15,32x3x3,p1,g32",
    "large kernel": "1x8x28x28,8x11x11,p5",
}

__all__ = ["CASES", "DIRECTIONS", "DTYPES", "EVERYWHERE", "HARD_CASES", "MEMORY_FORMATS", "MORE", "ORDINARY_CASES", "problem"]


def problem(text, direction="forward", dtype="float32", memory_format="nchw"):
    return ConvProblem.parse(text, direction=direction, dtype=dtype, memory_format=memory_format)

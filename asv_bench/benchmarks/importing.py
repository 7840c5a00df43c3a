"""What a program pays before its first result; each in a process of its own, with NumPy already there."""


class Start:
    def timeraw_import(self):
        return "import fastconv", "import numpy"

    timeraw_import.pretty_name = "Import, NumPy aside"

    def timeraw_first_convolution(self):
        """Import, kernels, choice of an algorithm, and the convolution of a small image."""
        return (
            "import fastconv; fastconv.conv2d(x, w, padding=1)",
            "import numpy; x, w = numpy.ones((1, 8, 16, 16), 'f4'), numpy.ones((8, 8, 3, 3), 'f4')",
        )

    timeraw_first_convolution.pretty_name = "Import and first convolution"

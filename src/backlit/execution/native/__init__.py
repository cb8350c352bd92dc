"""Programs run by compiled kernels in one block of memory, with no Python in between."""

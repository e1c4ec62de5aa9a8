"""The kernel lab: boots Debian kernels in an emulator, drives their memory management and keeps what they print."""

"""What kernels print and keep, by release, as tables with their source (floor 0; imports the standard library only)."""

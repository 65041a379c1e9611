"""Conversion to and from other libraries, which call the same settings and weights by other names."""

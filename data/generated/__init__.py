"""Executable tasks made from a typed grammar: a description, a program, and tests."""

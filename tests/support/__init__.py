"""Helpers of the tests: a manual clock, real servers, real and raw clients."""

"""What sockio costs beside its peers; ``python -m benchmarks --help``, README.md says more."""

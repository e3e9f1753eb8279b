"""All benches on one page, to read and to compare: ratios, growth, distributions."""

"""Reads session logs that agents left on disk into uploads and timelines."""

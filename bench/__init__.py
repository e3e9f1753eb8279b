"""Figures, each beside its peer, measured in the same run: `invoke bench`."""

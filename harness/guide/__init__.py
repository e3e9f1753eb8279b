"""docs/developer-guide.md: the functions of schema api, for those who call them."""

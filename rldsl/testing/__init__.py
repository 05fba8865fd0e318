"""In-language tests: runs the `test` blocks of a spec on every back end present."""

"""Speed, error and memory of fastconv over its commits; see CONTRIBUTING.md for how to run them."""

"""The HTTP service: a light front that speaks HTTP, and worker processes that hold the models."""

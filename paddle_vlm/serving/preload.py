"""What the fork server imports once, so that a new worker need not: importing paddle starts no computing threads."""

from paddle_vlm import runtime

with runtime.heavy_imports():
    import paddle_vlm.serving.handlers  # noqa: F401

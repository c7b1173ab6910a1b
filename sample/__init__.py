"""Sample input for development: benign pictures, datasets, hash lists and a picture server.

Nothing here is used by the product itself, and nothing it makes is committed.
"""

"""Readers of datasets: what a set of files is, and the rows of each shard in batches."""

from moderation.datasets.readers.base import (
    FORMS,
    IMAGE_PARQUET,
    IMG2DATASET,
    IMG2DATASET_FILES,
    IMG2DATASET_PARQUET,
    IMG2DATASET_WEBDATASET,
    LINKS_CSV,
    LINKS_JSONL,
    LINKS_PARQUET,
    WITH_PICTURES,
    Batch,
    DatasetError,
    Detected,
    ShardReader,
    ShardSource,
)
from moderation.datasets.readers.columns import FIELDS
from moderation.datasets.readers.detecting import detect, open_shard

__all__ = [
    "FIELDS",
    "FORMS",
    "IMAGE_PARQUET",
    "IMG2DATASET",
    "IMG2DATASET_FILES",
    "IMG2DATASET_PARQUET",
    "IMG2DATASET_WEBDATASET",
    "LINKS_CSV",
    "LINKS_JSONL",
    "LINKS_PARQUET",
    "WITH_PICTURES",
    "Batch",
    "DatasetError",
    "Detected",
    "ShardReader",
    "ShardSource",
    "detect",
    "open_shard",
]

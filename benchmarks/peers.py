"""The peers, called as their own products call them, each on one thread."""

import io

import faiss
import numpy as np
import numpy.typing as npt
import pdqhash
from PIL import Image
from threatexchange.signal_type.pdq.pdq_hasher import pdq_from_bytes
from threatexchange.signal_type.pdq.pdq_index import PDQIndex
from threatexchange.signal_type.pdq.signal import PdqSignal

faiss.omp_set_num_threads(1)

Bytes = npt.NDArray[np.uint8]
QUALITY = PdqSignal.QUALITY_THRESHOLD


def hma_pdq(data: bytes) -> tuple[bytes, int]:
    """Return PDQ and quality of a file as hasher-matcher-actioner computes them."""
    text, quality = pdq_from_bytes(data)
    return bytes.fromhex(text), quality


def reference_pdq(data: bytes) -> tuple[bytes, int]:
    """Return PDQ and quality by pdqhash of the fully decoded picture."""
    with Image.open(io.BytesIO(data)) as opened:
        bits, quality = pdqhash.compute(np.asarray(opened.convert("RGB")))
    return np.packbits(bits).tobytes(), quality


def hma_index(values: Bytes) -> PDQIndex:
    """Return HMA's default index over (m, 32) values; entries are the places in it."""
    return PDQIndex([(value.tobytes().hex(), place) for place, value in enumerate(values)])


def flat_index(values: Bytes) -> faiss.IndexBinaryFlat:
    """Return faiss's exhaustive index: exact, so it is also the measure of recall."""
    index = faiss.IndexBinaryFlat(values.shape[1] * 8)
    index.add(values)
    return index


def flat_pairs(
    index: faiss.IndexBinaryFlat, queries: Bytes, threshold: int
) -> set[tuple[int, int]]:
    """Return all (query, known) within the threshold."""
    limits, _, found = index.range_search(queries, threshold + 1)
    rows = np.repeat(np.arange(len(queries)), np.diff(limits.astype(np.int64)))
    return set(zip(rows.tolist(), found.tolist(), strict=True))

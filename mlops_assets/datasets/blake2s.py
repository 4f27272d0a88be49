"""BLAKE2s (RFC 7693) of many short texts at once.

Each digest is that of `hashlib.blake2s(text, digest_size=16)`, which takes longer to be called a million times than the
arithmetic takes. A text of up to 64 bytes is one block, so that the steps of the compression are done on thousands of texts
together; longer ones are left to `hashlib`.
"""

import hashlib

import numpy as np
import polars as pl

SIZE = 16
"""Bytes of a digest."""
BLOCK = 64
ROWS_AT_ONCE = 16384
"""So many rows of a word are 64 KB: the working set stays near the processor, and calls cost little beside the work."""
_START = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
_PARAMETERS = 0x01010000 | SIZE
"""No key, one node, digests of `SIZE` bytes."""
_ORDER = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
    (14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3),
    (11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4),
    (7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8),
    (9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13),
    (2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9),
    (12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11),
    (13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10),
    (6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5),
    (10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0),
)
_MIXED = (
    (0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
    (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14),
)  # fmt: skip


def digests(texts: pl.Series) -> np.ndarray:
    """Digest of each text's UTF-8 bytes: shape (n, 16), bytes.

    Args:
        texts: of type String, none missing.
    """
    stored = texts.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    _, places, content = stored.buffers()
    offsets = np.frombuffer(places, np.int64, len(texts) + 1, stored.offset * 8)
    data = np.frombuffer(content, np.uint8) if content is not None else np.empty(0, np.uint8)
    found = np.empty((len(texts), SIZE), np.uint8)
    for start in range(0, len(texts), ROWS_AT_ONCE):
        edges = offsets[start : start + ROWS_AT_ONCE + 1]
        block = _compress(_words(data, edges), np.diff(edges).astype(np.uint32))
        for row in np.flatnonzero(np.diff(edges) > BLOCK):
            whole = hashlib.blake2s(data[edges[row] : edges[row + 1]].tobytes(), digest_size=SIZE).digest()
            block[row] = np.frombuffer(whole, np.uint8)
        found[start : start + len(block)] = block
    return found


def _words(data: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Little-endian words of the first block of each text, zero behind its end: shape (words, n).

    Texts lie one behind the other in `data`, from one of the `edges` to the next.
    """
    lengths = np.diff(edges)
    most = min(int(lengths.max()), BLOCK)
    padded = np.zeros((len(lengths), max(4, -(-most // 4) * 4)), np.uint8)
    if 0 < most == lengths.min() == lengths.max():
        padded[:, :most] = data[edges[0] : edges[-1]].reshape(-1, most)
    else:
        columns = np.arange(most)
        rows, columns = np.nonzero(columns < lengths[:, None])
        padded[rows, columns] = data[edges[rows] + columns]
    return np.ascontiguousarray(padded.view("<u4").T)


def _compress(message: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Digests of texts of one block; words that are zero in every text are not in `message` and cost nothing."""
    n, known = len(lengths), len(message)
    first = (_START[0] ^ _PARAMETERS, *_START[1:])
    v = [np.full(n, word, np.uint32) for word in (*first, *_START)]
    v[12] ^= lengths
    v[14] ^= np.uint32(0xFFFFFFFF)
    spare = np.empty(n, np.uint32)

    def turn(word: np.ndarray, by: int) -> None:
        np.left_shift(word, 32 - by, out=spare)
        np.right_shift(word, by, out=word)
        np.bitwise_or(word, spare, out=word)

    for order in _ORDER:
        for position, (a, b, c, d) in enumerate(_MIXED):
            for part, (right, left) in enumerate(((16, 12), (8, 7))):
                v[a] += v[b]
                word = order[2 * position + part]
                if word < known:
                    v[a] += message[word]
                v[d] ^= v[a]
                turn(v[d], right)
                v[c] += v[d]
                v[b] ^= v[c]
                turn(v[b], left)
    words = np.stack([np.uint32(first[i]) ^ v[i] ^ v[i + 8] for i in range(SIZE // 4)], axis=1)
    return words.astype("<u4").view(np.uint8)

"""`hash`: a row's split is decided by its content, or by key columns alone."""

from layerline.scaling.splitting.row_hash import shares_of
from layerline.scaling.splitting.shares import Names, Salt, Share, cut, hash_keys
from layerline.scaling.splitting.split import Labels, SplitInput


def by_hash(
    rows: SplitInput,
    *,
    keys: Names | None = None,
    valid: Share = 0.15,
    test: Share = 0.2,
    salt: Salt = 0,
) -> Labels:
    """By the hash of the row's content, or of `keys`: rows stay put as the table grows.

    Rows with equal content stay together.

    Options:
        keys: columns that decide alone; null: all.
    """
    hashes = rows.row_hashes if keys is None else hash_keys(rows, keys, "scale.split.keys")
    return cut(shares_of(hashes, salt), valid, test)

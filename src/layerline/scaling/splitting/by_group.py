"""`group`: all rows of a group (one patient, one shop) in one split."""

from layerline.scaling.splitting.row_hash import shares_of
from layerline.scaling.splitting.shares import Names, Salt, Share, cut, hash_keys
from layerline.scaling.splitting.split import Labels, SplitInput


def by_group(
    rows: SplitInput,
    *,
    column: Names,
    valid: Share = 0.15,
    test: Share = 0.2,
    salt: Salt = 0,
) -> Labels:
    """By the hash of the group's name; the shares are shares of groups.

    The columns that name the group are not learnt from: the test groups are groups never seen.

    Options:
        column: the column, or columns, that name the group.
    """
    hashes = hash_keys(rows, column, "scale.split.column")
    return cut(shares_of(hashes, salt), valid, test)

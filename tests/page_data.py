"""The tables and pictures that README and docs name, small."""

import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

ROWS = 200


def write_page_data(folder: Path) -> None:
    """Write every file that a page's commands or settings read."""
    table = _table()
    houses = ["area", "rooms", "heating", "region", "country", "sold_at", "order", "price"]
    flowers = ["size", "soil", "age", "region", "country", "income", "visits", "zip"]
    table[houses].to_csv(folder / "houses.csv", index=False)
    table[[*flowers, "survey_weight", "kind"]].to_csv(folder / "flowers.csv", index=False)
    table[[*flowers, "wild"]].to_csv(folder / "wild.csv", index=False)
    table[["day", "pieces", "price", "fraud"]].to_csv(folder / "orders.csv", index=False)
    table[["day", "pieces", "price", "fraud"]].to_json(folder / "orders.json", orient="records")
    shop = ["age", "zip", "order", "refund", "customer", "day", "start", "end", "paid", "pieces"]
    table[[*shop, "price", "bought"]].to_csv(folder / "shop.csv", index=False)
    table[["size", "soil", "kind"]].to_csv(folder / "soil.csv", index=False)
    table[["area", "rooms", "region", "price", "rent"]].to_csv(folder / "flats.csv", index=False)
    truths = table[["order", "price"]].rename(columns={"order": "id"})
    truths.to_csv(folder / "truths.csv", index=False)
    new = table[houses].drop(columns="price").iloc[:60]
    new.to_json(folder / "rows.json", orient="records")
    for name in ("new_houses.csv", "new.csv", "rows.csv"):
        new.to_csv(folder / name, index=False)
    new.astype({"sold_at": "datetime64[us]"}).to_parquet(folder / "new.parquet")
    _write_shop(folder, table)
    _write_pictures(folder)


def _table() -> pd.DataFrame:
    draw = np.random.default_rng(0)
    place = np.arange(ROWS)
    area, size = draw.uniform(40, 200, ROWS).round(1), draw.normal(5, 2, ROWS).round(2)
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(7 * (place // 40), unit="D")
    pieces = place % 7 + 1
    price = (1000 * area + 5000 * (place % 5) + draw.normal(0, 4000, ROWS)).round()
    paid = price * pieces
    return pd.DataFrame({
        "area": area, "rooms": place % 5 + 1, "age": place * 7 % 80 + 18, "size": size,
        "soil": draw.choice(["clay", "sand"], ROWS), "heating": draw.choice(["gas", "oil"], ROWS),
        "region": draw.choice(["north", "south"], ROWS), "country": draw.choice(["DE", "FR"], ROWS),
        "income": draw.lognormal(10, 1, ROWS).round(), "zip": draw.choice(["01234", "54321"], ROWS),
        "visits": np.where(place % 9, place % 4, np.nan), "survey_weight": place % 3 + 1.0,
        "sold_at": day.strftime("%Y-%m-%d"), "day": day.strftime("%Y-%m-%d"),
        "start": day.strftime("%Y-%m-%d"), "end": (day + pd.Timedelta("3D")).strftime("%Y-%m-%d"),
        "order": draw.permutation(ROWS) * 3 + 7, "customer": place % 40, "pieces": pieces,
        "paid": paid, "price": price, "refund": paid * (place % 2),
        "kind": np.select([size < 4, size < 6], ["tulip", "rose"], "daisy"),
        "wild": np.where(size < 5, "yes", "no"), "bought": np.where(place % 2, "yes", "no"),
        "fraud": np.where(pieces > 4, "fraud", "honest"),
        "rent": 9 * area + 100 * (place % 5) + place % 11,
    })  # fmt: skip


def _write_shop(folder: Path, table: pd.DataFrame) -> None:
    shop = table[["age", "zip", "visits", "region", "bought"]].replace({"north": "Nürnberg"})
    files = {"march": shop.iloc[:120], "april": shop.iloc[120:].drop(columns="visits")}
    (folder / "data" / "shop").mkdir(parents=True, exist_ok=True)
    for name, part in files.items():
        path = folder / "data" / "shop" / f"{name}.csv"
        part.to_csv(path, sep=";", index=False, na_rep="?", encoding="windows-1252")
    with sqlite3.connect(folder / "shop.db") as store:
        shop.assign(id=np.arange(ROWS)).to_sql("sales", store, index=False)


def _write_pictures(folder: Path) -> None:
    draw, labels = np.random.default_rng(1), []
    for place in range(40):
        kind = ("cat", "dog")[place % 2]
        pixels = draw.integers(0, 100, (12, 12), dtype=np.uint8)
        pixels[:, :6] += 100 * np.uint8(place % 2)
        for parent in (f"pictures/{kind}", "more_pictures", "flat"):
            path = folder / parent / f"{place}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
        labels.append({"file": f"{place}.png", "kind": kind})
    pd.DataFrame(labels).to_csv(folder / "labels.csv", index=False)

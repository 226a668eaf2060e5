# Makes test.parquet: 240 made-up reviews in the layout that Yelp/yelp_review_full has on the Hugging Face hub (columns `label`, a class of
# five named stars kept as int64 from 0, and `text`; the features as JSON in the schema's metadata; Snappy). Made with datasets 5.2.0
# and pyarrow 26.0.1: python make.py
from pathlib import Path

from datasets import ClassLabel, Dataset, Features, Value

places = ["The diner", "This salon", "The garage", "Their bakery", "The hotel", "That dentist", "The gym", "Our plumber"]
verdicts = [
    ["was a disgrace", "ruined the whole day"],
    ["disappointed us", "was slow and rather dear"],
    ["was all right", "did the job, no more"],
    ["was friendly and good", "left us content"],
    ["was a delight", "could not have been better"],
]
ends = ['.\nThey "promised" to call back.', ", and the parking is free.", "; we came on a Tuesday."]

rows = [
    (stars, f"{place} {verdict}{end}")
    for stars, said in enumerate(verdicts)
    for verdict in said
    for place in places
    for end in ends
]
features = Features(
    {"label": ClassLabel(names=["1 star", "2 star", "3 stars", "4 stars", "5 stars"]), "text": Value("string")}
)
table = Dataset.from_dict({"label": [row[0] for row in rows], "text": [row[1] for row in rows]}, features=features)
table.to_parquet(str(Path(__file__).with_name("test.parquet")))

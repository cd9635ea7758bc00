"""Corpus: tables in, a validated `Corpus` out.

Comes in: the path of a Frictionless data package whose fields carry roles.
Goes out: a `Corpus` (typed table, roles, digest), or every fault with its place and remedy.
Must not know: effects, features, models.
"""

from regencast.corpus.counts import REST, label_counts, pair_counts
from regencast.corpus.package import Corpus, inspect_corpus, read_corpus
from regencast.corpus.pooled import read_pooled
from regencast.corpus.pvalue import read_p
from regencast.corpus.retracted import count_unnamed
from regencast.corpus.schema import Field, Schema, split_labels
from regencast.corpus.summary import summarise
from regencast.corpus.synonyms import normal
from regencast.corpus.vocabulary import Meaning, Vocabulary, ancestors

__all__ = [
    "REST",
    "Corpus",
    "Field",
    "Meaning",
    "Schema",
    "Vocabulary",
    "ancestors",
    "count_unnamed",
    "inspect_corpus",
    "label_counts",
    "normal",
    "pair_counts",
    "read_corpus",
    "read_p",
    "read_pooled",
    "split_labels",
    "summarise",
]

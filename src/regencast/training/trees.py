"""A forest as plain arrays on disk: nothing to run, and nothing but numpy to read it with."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor
from sklearn.tree._tree import Tree

from regencast.errors import fail

REMEDY = "Train again with `regencast train`"


def save_forest(forest: RandomForestRegressor, file: Path) -> None:
    """Write the nodes of all trees, one after another, and where each tree ends."""
    states = [one.tree_.__getstate__() for one in forest.estimators_]
    np.savez_compressed(
        file,
        nodes=np.concatenate([state["nodes"] for state in states]),
        values=np.concatenate([state["values"] for state in states]),
        counts=np.array([state["node_count"] for state in states]),
        depths=np.array([state["max_depth"] for state in states]),
    )


def load_forest(file: Path, n_features: int) -> RandomForestRegressor:
    """Read a forest that `save_forest` wrote; it forecasts and can be explained, not refitted.

    Parameters
    ----------
    file : Path
    n_features : int
        Columns of the encoded designs.

    Raises
    ------
    FaultyInput
        If the file is no forest, or a tree of it points outside itself.
    """
    try:
        with np.load(file, allow_pickle=False) as saved:
            nodes, values, counts, depths = (
                saved[name] for name in ("nodes", "values", "counts", "depths")
            )
        ends = np.cumsum(counts)[:-1]
        parts = zip(np.split(nodes, ends), np.split(values, ends), depths, strict=True)
        trees = [_tree(*part, n_features) for part in parts]
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error):
        raise fail(file, "it is no forest, or of another edition", REMEDY) from None
    if not all(_is_sound(tree, n_features) for tree in trees):
        raise fail(file, "a tree of the forest is damaged", REMEDY)
    forest = RandomForestRegressor(len(trees))
    forest.estimators_ = [_regressor(tree) for tree in trees]
    forest.n_features_in_, forest.n_outputs_ = n_features, 1
    return forest


def _tree(nodes: np.ndarray, values: np.ndarray, depth: int, n_features: int) -> Tree:
    tree = Tree(n_features, np.ones(1, dtype=np.intp), 1)
    tree.__setstate__(
        {"max_depth": int(depth), "node_count": len(nodes), "nodes": nodes, "values": values}
    )
    return tree


def _is_sound(tree: Tree, n_features: int) -> bool:
    """Return whether all numbers are sound: scikit-learn follows indices without a check."""
    children = np.stack([tree.children_left, tree.children_right])
    # A node's children come after it, so that no path turns in a circle.
    after = (children > np.arange(tree.node_count)) & (children < tree.node_count)
    leaf = (children == -1).all(axis=0)
    inside = (tree.feature >= 0) & (tree.feature < n_features)
    numbers = np.isfinite(tree.threshold).all() and np.isfinite(tree.value).all()
    depth = 0 <= tree.max_depth < max(tree.node_count, 1)
    return bool(numbers and depth and (leaf | (after.all(axis=0) & inside)).all())


def _regressor(tree: Tree) -> DecisionTreeRegressor:
    one = DecisionTreeRegressor()
    one.tree_, one.n_features_in_, one.n_outputs_ = tree, tree.n_features, 1
    return one

"""The order of the nodes of a NIR graph that is a chain."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from refboot.errors import FormatError


def chain(nir: ModuleType, graph: Any) -> tuple[list[str], list[Any]]:
    """Names and nodes from the one Input to the one Output; raises FormatError unless the edges
    form one chain through all nodes.
    """
    starts = [name for name, node in graph.nodes.items() if isinstance(node, nir.Input)]
    if len(starts) != 1 or len(graph.edges) != len(graph.nodes) - 1:
        raise FormatError(
            "the graph",
            f"of {len(starts)} inputs, {len(graph.nodes)} nodes, {len(graph.edges)} edges",
            "one chain of nodes",
        )
    following = dict(graph.edges)
    names = starts
    while names[-1] in following and len(names) <= len(graph.nodes):
        names.append(following[names[-1]])
    if (
        sorted(names) != sorted(graph.nodes)
        or not isinstance(graph.nodes[names[-1]], nir.Output)
        or len(names) < 3
    ):
        raise FormatError(
            "the graph",
            f"nodes {names} from the input on",
            f"all of {sorted(graph.nodes)}, once, to an Output",
        )
    return names, [graph.nodes[name] for name in names]

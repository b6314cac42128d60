"""A tree given by the parent of each node: its faults, and its order from the root."""

from collections.abc import Iterator, Sequence


def faults(nodes: Sequence[str], parents: Sequence[str]) -> Iterator[tuple[int, str, str]]:
    """Yield the faults that keep the nodes from being one tree: index of the node, got, want.

    The root's parent is ``""``. A parent that is no node ends the path to the root, and is not judged here.
    """
    known = {name: i for i, name in enumerate(nodes)}
    roots = [i for i, parent in enumerate(parents) if parent == ""]
    if not roots and nodes:
        yield 0, "no root", "one node whose parent is blank"
    for i in roots[1:]:
        yield i, f"a second root beside {nodes[roots[0]]!r}", "one node whose parent is blank"
    checked: set[str] = set()
    for name in nodes:
        path: dict[str, None] = {}  # in the order of the path to the root
        while name in known and name not in checked and name not in path:
            path[name] = None
            name = parents[known[name]]
        if name in path:
            nodes_up = list(path)
            yield known[name], f"a cycle {' > '.join([*nodes_up[nodes_up.index(name) :], name])}", "a tree"
        checked.update(path)


def downward(nodes: Sequence[str], parents: Sequence[str]) -> list[int]:
    """Return the indices of a tree's nodes, parents before children.

    >>> downward(["a", "b", "root"], ["root", "a", ""])
    [2, 0, 1]
    """
    children: dict[str, list[int]] = {}
    for i, parent in enumerate(parents):
        children.setdefault(parent, []).append(i)
    order: list[int] = []
    stack = list(children.get("", ()))
    while stack:
        n = stack.pop()
        order.append(n)
        stack += reversed(children.get(nodes[n], ()))
    return order

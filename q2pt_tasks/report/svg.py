"""Drawings of matplotlib for a page whose security policy allows no inline style."""

import re

# What matplotlib sets for every element; as an attribute of the root, elements inherit it.
_ROOT_STYLE = re.compile(r"<style type=\"text/css\">\*\{([^}]*)\}</style>")
_TAG = re.compile(r"<[a-z][^>]*>")
_STYLE = re.compile(r' style="([^"]*)"')


def without_styles(svg: str) -> str:
    """`svg` with every style as presentation attributes, which mean the same.

    Raises:
        ValueError: a style sheet is left.
    """
    found = _ROOT_STYLE.search(svg)
    bare = _TAG.sub(lambda tag: _STYLE.sub(lambda style: _attributes(style[1]), tag[0]), _ROOT_STYLE.sub("", svg))
    if "<style" in bare:
        raise ValueError("the drawing has a style sheet of a form that is not known: matplotlib writes another one now")
    return bare.replace("<svg", f"<svg{_attributes(found[1])}", 1) if found else bare


def _attributes(style: str) -> str:
    """` name="value"` for each declaration of `style`."""
    pairs = [declaration.split(":", 1) for declaration in style.split(";") if ":" in declaration]
    return "".join(f' {name.strip()}="{value.strip()}"' for name, value in pairs)

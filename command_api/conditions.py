"""Conditional requests (RFC 9110 section 13) on an object whose `ETag` is its version in quotes."""

import re
from typing import Final

# Elements of a list may be empty (RFC 9110 section 5.6.1).
_TAG: Final = re.compile(r'[ \t,]*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*(?:,|$)')
_NO_MORE: Final = re.compile(r"[ \t,]*")
_VERSION: Final = re.compile(r"[1-9][0-9]{0,17}")


def etag(version: int) -> str:
    """The strong entity tag of an object's version."""
    return f'"{version}"'


class VersionCondition:
    """The versions that an `If-Match` or `If-None-Match` header names.

    `any_version` is `*`. A tag that is no version of ours matches nothing; `well_formed` says whether the header is a
    list of entity tags, or `*`, at all (RFC 9110 section 13.1.1).
    """

    __slots__ = ("any_version", "strong", "weak", "well_formed")

    def __init__(self, header: str) -> None:
        self.any_version = header.strip() == "*"
        strong: set[int] = set()
        weak: set[int] = set()
        at = 0
        while match := _TAG.match(header, at):
            is_weak, tag = match.groups()
            if _VERSION.fullmatch(tag):
                (weak if is_weak else strong).add(int(tag))
            at = match.end()
        self.well_formed = self.any_version or _NO_MORE.fullmatch(header, at) is not None
        self.strong = frozenset(strong)
        self.weak = frozenset(weak)

    def allows_change(self, version: int) -> bool:
        """`If-Match`: strong comparison, so a weak tag never matches."""
        return self.any_version or version in self.strong

    def already_has(self, version: int) -> bool:
        """`If-None-Match` on a read: weak comparison."""
        return self.any_version or version in self.strong or version in self.weak

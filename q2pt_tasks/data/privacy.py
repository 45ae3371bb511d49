"""Queries are personal data: which of them are typed by so many that they tell nothing about one person.

A rare query may be a name, an address or an illness. What is below the floor becomes no label, so that no model learns
it and no page shows it.
"""

from typing import Annotated, Any

import narwhals as nw
import pyarrow as pa
from pydantic import Field

from q2pt_tasks.data.schema import EVENTS, USERS
from q2pt_tasks.params import Section

Frame = nw.LazyFrame[Any]

# What stands on a page in the place of a rare query.
HIDDEN = "(hidden: not known to reach the floor of privacy)"


class PrivacyParams(Section):
    """The section `privacy`: what a query needs in a locale, over all days of the window.

    Attributes:
        min_query_clicks: its clicks.
        min_query_users: its distinct users, as the column `users` of the events tells; None: it is not read.
    """

    min_query_clicks: Annotated[int, Field(ge=1)] = 3
    min_query_users: Annotated[int, Field(ge=1)] | None = None

    @property
    def events(self) -> pa.Schema:
        """The columns that events need for this floor."""
        return EVENTS if self.min_query_users is None else EVENTS.append(pa.field(USERS, pa.int64()))


DEFAULT = PrivacyParams()


def figures_of_queries(clicks: Frame, floor: PrivacyParams) -> Frame:
    """What each `locale` and `query` has of that which `floor` asks for.

    Rows cannot tell whether two of them are of one person. Of a query's numbers of users the largest counts therefore,
    which is at most that of all together: right where each row says the query's users, strict where each says its own.

    Args:
        clicks: rows with `locale`, `query`, `clicks`, and `users` where the floor asks for them, of the whole window;
            of a part of it, fewer queries reach the floor.
        floor: what a query needs.
    """
    users = [] if floor.min_query_users is None else [nw.col(USERS).max()]
    return clicks.group_by("locale", "query").agg(nw.col("clicks").sum(), *users)


def common_queries(asked: Frame, floor: PrivacyParams) -> Frame:
    """`locale` and `query` of those that reach the floor, of what `figures_of_queries` found."""
    enough = [nw.col("clicks") >= floor.min_query_clicks]
    if floor.min_query_users is not None:
        enough.append(nw.col(USERS) >= floor.min_query_users)
    return asked.filter(*enough).select("locale", "query")

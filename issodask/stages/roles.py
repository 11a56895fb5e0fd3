"""The roles of the original's columns, which every stage finds alike: by themselves, or as the user named them.

In: the original, its group key, the roles that were named. Out: `KnownColumns`: the schema with roles, why each column
has its own, and how the ids of a subset are made.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from issodask.store.frames import key_codes
from issodask.store.plain import plain
from issodask.store.profiles import profiles_of
from issodask.store.subset import first_row
from issodask.store.types import schema_of
from issodask.table.bins import RARE
from issodask.table.columns import Columns
from issodask.table.ids import NewIds
from issodask.table.keys import whole_limits
from issodask.table.rare import Rare
from issodask.table.roles import ENOUGH, Found, Profile, checked_names, find_role, given_roles
from issodask.table.schema import Schema

_MAX_TOLD = 5
_NO_LIMITS = (-(2**63), 2**63 - 1)


@dataclass(frozen=True)
class KnownColumns:
    """What the columns of an original are.

    schema  all columns, with their roles; the group key has none
    found   the role of each but the group key, and why
    ids     how new ids are made, one per column that is an id
    texts   what columns of text hold
    constants  one row: the values of columns that have but one, or none, which no pool has to have
    """

    schema: Schema
    group_key: str | None
    found: Mapping[str, Found]
    ids: tuple[NewIds, ...]
    texts: Mapping[str, Profile]
    constants: Any

    @classmethod
    def of(
        cls,
        table: Any,
        group_key: str | None = None,
        given: Mapping[str, str] | None = None,
        held_out: Any | None = None,
    ) -> "KnownColumns":
        """Look at an Arrow table; `given`: roles that the user named.

        Rows of the same table that were `held_out` are looked at only for their ids, which must not be drawn either.

        Raises InputError for columns that can't be used, and for roles that can't be.
        """
        if group_key is not None:
            key_codes(table, group_key, "the original")  # say if there is none
        schema = schema_of(table)
        profiles = profiles_of(table, group_key)
        named = given_roles(checked_names(given), profiles, group_key)
        found = {name: named.get(name) or find_role(profile) for name, profile in profiles.items()}
        names = [name for name, item in found.items() if item.role == "id"]
        others = {} if held_out is None else profiles_of(held_out.select(names))
        ids = [_new_ids(profiles[name], schema, others.get(name)) for name in names]
        texts = {
            name: profile
            for name, profile in profiles.items()
            if schema[name].values == "text" and profile.kind == "text" and found[name].role in ("text", "category")
        }
        schema = schema.having_roles(found)
        same = [name for name, item in found.items() if item.role == "constant" and profiles[name].is_constant]
        is_rest = bool(schema.learnt(group_key).without(group_key).leaving_out(same).columns)
        constants = first_row(table, schema.only(same if is_rest else []))
        return cls(schema, group_key, found, tuple(ids), texts, constants)

    @property
    def learnt(self) -> Schema:
        """All columns but ids."""
        return self.schema.learnt(self.group_key)

    @property
    def needed(self) -> Schema:
        """The columns that a pool has to have: all but ids and constants, unless there are no others."""
        return self.learnt.leaving_out(self.constants.column_names)

    @property
    def matched(self) -> Schema:
        """The columns that are matched and scored: these without the group key."""
        return self.learnt.without(self.group_key)

    @property
    def plain_constants(self) -> Columns:
        """The constants as bins see them, in one row."""
        return plain(self.constants, self.schema.only(self.constants.column_names))

    @property
    def hidden(self) -> list[str]:
        """Columns of text that have no `_RARE_` of their own: an engine that writes it there hides something."""
        return [name for name, texts in self.texts.items() if RARE not in texts.values]

    def unshown(self, name: str) -> list[str]:
        """Texts of a column that the subset has no right to, whatever the pool holds: an engine's `_RARE_`, and of a
        column whose role is text those that too few units of the original share."""
        texts = self.texts[name]
        is_rare = texts.n_sharing < ENOUGH if self.found[name].role == "text" else np.zeros(len(texts.values), bool)
        return [*([RARE] if name in self.hidden else []), *map(str, texts.values[is_rare])]

    def rare(self, name: str) -> Rare:
        """What becomes of texts that an engine hid."""
        texts = self.texts[name]
        return Rare.of(name, texts.values.tolist(), texts.counts, texts.n_sharing)

    def made_from(self) -> list[str]:
        """What ids, texts in place of hidden ones and constants are made from: equal texts, equal columns."""
        ids = [f"{ids.name} {ids.made_from}" for ids in self.ids]
        texts = [f"{name} {texts.hash()}" for name, texts in self.texts.items()]
        return [*ids, *texts, *map(str, self.constants.to_pylist())]

    def facts(self) -> dict[str, Any]:
        """Roles and reasons by column, and what is left out of the accuracy, for events, metrics and report."""
        matched = self.matched.names
        return {
            "roles": {name: {"role": item.role, "why": item.why} for name, item in self.found.items()},
            "left_out": [name for name in self.found if name not in matched],
        }

    def told(self) -> list[str]:
        """A line for each kind of columns of which there is something to say; often none."""
        kinds = {
            "id": "ids, new in the subset, neither learnt nor matched nor scored",
            "text": "texts, whose rare values become others",
        }
        found = {what: [name for name, item in self.found.items() if item.role == role] for role, what in kinds.items()}
        found["perhaps ids"] = [name for name, item in self.found.items() if item.is_perhaps_id]
        return [self._told(what, names) for what, names in found.items() if names]

    def _told(self, what: str, names: list[str]) -> str:
        columns = [f"{name} ({self.found[name].why})" for name in names[:_MAX_TOLD]]
        more = f" and {len(names) - _MAX_TOLD} more" if len(names) > _MAX_TOLD else ""
        return f"{what}: {'; '.join(columns)}{more}"


def _new_ids(profile: Profile, schema: Schema, others: Profile | None) -> NewIds:
    limits = _NO_LIMITS if profile.kind == "text" else whole_limits(schema[profile.name].dtype)
    return NewIds.of(profile, limits, others)

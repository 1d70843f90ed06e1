"""The fields of packs: what each may hold, and what to say where it holds something else."""

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from store.formats.countries import CODES
from store.formats.taxonomy import (
    CATEGORIES,
    CONCEPTS,
    CONFIDENCE,
    TAG_TYPES,
    category_of_word,
    did_you_mean,
)


class FieldError(ValueError):
    """Why a value is refused and what to do, without the place."""


Check = Callable[[str, Any], Any]


def text(name: str, value: Any) -> str:
    """A non-empty text, stripped; a number or date that YAML made of it is refused, as its digits may be lost."""
    if value is None:
        raise FieldError(f"{name} is empty; give it a text or remove it")
    if not isinstance(value, str):
        raise FieldError(f"{name} must be text, but YAML reads {value!r} as {type(value).__name__}; put it in quotes")
    stripped = value.strip()
    if not stripped:
        raise FieldError(f"{name} is empty; give it a text or remove it")
    if "\x00" in stripped:
        raise FieldError(f"{name} holds a NUL character; remove it")
    return stripped


def boolean(name: str, value: Any) -> bool:
    """Either true or false."""
    if not isinstance(value, bool):
        raise FieldError(f"{name} must be true or false, not {value!r}")
    return value


def day(name: str, value: Any) -> date:
    """A date; of a date and time the date."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return datetime.fromisoformat(text(name, value)).date()
    except ValueError as error:
        if isinstance(error, FieldError):
            raise
        raise FieldError(f"{name} must be a date like 2022-11-16, not {value!r}") from None


def confidence(name: str, value: Any) -> int:
    """A step of the confidence ladder, as percent."""
    word = text(name, value)
    if word not in CONFIDENCE:
        hint = did_you_mean(word, CONFIDENCE)
        raise FieldError(f"{word!r} is no known {name}{hint}; say one of: {', '.join(CONFIDENCE)}")
    return CONFIDENCE[word]


def concept(name: str, value: Any) -> str:
    """A concept of the taxonomy or a category of ours, as our category."""
    word = text(name, value)
    category = category_of_word(word)
    if category is None:
        hint = did_you_mean(word, CATEGORIES.keys() | CONCEPTS.keys())
        raise FieldError(f"{word!r} is no known concept or category for {name}{hint}")
    return category


def concepts(name: str, value: Any) -> tuple[str, ...]:
    """A list of concepts, as our categories."""
    return tuple(concept(name, item) for item in listing(name, value))


def tag_type(name: str, value: Any) -> str:
    """What a tag speaks of."""
    word = text(name, value)
    if word not in TAG_TYPES:
        raise FieldError(f"{word!r} is no known {name}; say one of: {', '.join(TAG_TYPES)}")
    return word


def countries(name: str, value: Any) -> tuple[str, ...]:
    """A list of ISO 3166-1 alpha-2 codes."""
    codes = tuple(text(name, item) for item in listing(name, value))
    for code in codes:
        if code not in CODES:
            raise FieldError(f"{code!r} is no country code for {name}; use ISO 3166-1 alpha-2 such as SG")
    return codes


def listing(name: str, value: Any) -> list[Any]:
    """A list, empty ones included."""
    if not isinstance(value, list):
        raise FieldError(f"{name} must be a list, not {value!r}")
    return value


def texts(name: str, value: Any) -> tuple[str, ...]:
    """A list of texts."""
    return tuple(text(name, item) for item in listing(name, value))


def context(name: str, value: Any) -> None:
    """A mapping, or JSON as text; it is kept in the file and not used."""
    if isinstance(value, Mapping):
        return
    try:
        json.loads(text(name, value))
    except json.JSONDecodeError as error:
        raise FieldError(f"{name} must be JSON: {error}; correct it or remove it") from None
    except RecursionError:
        raise FieldError(f"{name} is nested too deep; simplify it or remove it") from None

"""pydantic's complaints as one line about one key, with "did you mean" where a name is near."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from extbuild.errors import ConfigError

Loc = Sequence[int | str]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``did you mean 'block'?``, or the whole list where nothing is near."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known: {', '.join(names)}" if names else ""


def config_error(
    file: str, section: str, model: type[BaseModel], data: object, error: ValidationError
) -> ConfigError:
    """The most telling of pydantic's complaints about `data`, read from `section` of `file`.

    An unknown key goes first: a misspelt key is also reported as a missing one, which misleads.
    """
    details = error.errors(include_url=False, include_input=True)
    unknown = [detail for detail in details if detail["type"] == "extra_forbidden"]
    first = (unknown or details)[0]
    loc = _loc_in_data(first, data)
    place = f"{file}: {key_path([*([section] if section else []), *loc])}".removesuffix(": ")
    wrong, found, do = _explain(first, loc, model, data)
    if len(details) > 1:
        more = f"{len(details) - 1} more below it"
        do = f"{do} ({more})" if do else f"mend it first, there may be {more}"
    return ConfigError(place, wrong, found=found, do=do)


def key_path(loc: Loc) -> str:
    """``("passes", 1, "block")`` as ``passes[1].block``."""
    path = ""
    for part in loc:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _loc_in_data(detail: ErrorDetails, data: object) -> list[int | str]:
    """pydantic's location without the union tags that it mixes in, which no file holds."""
    loc: list[int | str] = []
    value = data
    parts = detail["loc"]
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if isinstance(value, Mapping) and isinstance(part, str) and part not in value:
            if last and detail["type"] == "missing":
                loc.append(part)
            continue
        loc.append(part)
        value = _child(value, part)
    return loc


def _child(value: object, part: int | str) -> object:
    if isinstance(value, Mapping) and isinstance(part, str):
        return value.get(part)
    if isinstance(value, Sequence) and not isinstance(value, str) and isinstance(part, int):
        return value[part] if part < len(value) else None
    return None


def _explain(
    detail: ErrorDetails, loc: Loc, model: type[BaseModel], data: object
) -> tuple[str, str, str]:
    """(rule that is broken, what was found, what to do)."""
    context = detail.get("ctx", {})
    found = _shown(detail["input"])
    match detail["type"]:
        case "extra_forbidden":
            name = str(loc[-1])
            return "unknown key", repr(name), did_you_mean(name, _keys_at(model, loc[:-1], data))
        case "missing":
            return "required key is missing", "", f"add {loc[-1]} = …"
        case "union_tag_invalid":
            tag, tags = str(context["tag"]), str(context["expected_tags"]).replace("'", "")
            return "unknown name", repr(tag), did_you_mean(tag, tags.split(", "))
        case "union_tag_not_found":
            return f"needs the key {context['discriminator']}", found, ""
        case "literal_error":
            options = str(context["expected"])
            names = [option.strip("'") for option in options.replace(" or ", ", ").split(", ")]
            do = did_you_mean(detail["input"], names) if isinstance(detail["input"], str) else ""
            return f"must be one of {options}", found, do
        case _:
            message = detail["msg"].removeprefix("Value error, ")
            return _lower_first(message.replace("Input should", "must")), found, ""


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _keys_at(model: type[BaseModel], loc: Loc, data: object) -> tuple[str, ...]:
    """Keys that the schema allows at `loc`; of a union, those of the member that `data` names."""
    annotation: object = model
    value = data
    for part in loc:
        annotation = _inside(_model_of(annotation, value) or annotation, part)
        value = _child(value, part)
    found = _model_of(annotation, value)
    return tuple(found.model_fields) if found else ()


def _inside(annotation: object, part: int | str) -> object:
    """The type of one key of a model, or of one item of a tuple or a value of a dict."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation.model_fields[str(part)].annotation
    arguments = get_args(annotation)
    return arguments[0 if isinstance(part, int) else -1]


def _model_of(annotation: object, value: object) -> type[BaseModel] | None:
    """The model class inside ``Annotated[A | B | None, ...]`` whose ``name`` literal fits."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) not in (Annotated, Union, UnionType):
        return None
    members = [_model_of(member, value) for member in get_args(annotation)]
    models = [member for member in members if member is not None]
    name = value.get("name") if isinstance(value, Mapping) else None
    for member in models:
        field = member.model_fields.get("name")
        if field is not None and name in get_args(field.annotation):
            return member
    return models[0] if models else None

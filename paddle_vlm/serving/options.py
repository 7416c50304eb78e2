"""What the options of several tasks have in common."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict


class TaskOptions(BaseModel):
    """A misspelt option is an error: it would be ignored silently otherwise."""

    model_config = ConfigDict(extra="forbid")


def _encodable(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeError as error:
        raise ValueError(" 含有不成对的代理字符(\\ud800 一类)") from error
    return text


def separated(value: Any) -> Any:
    """A form or a query says "猫,狗" where JSON has a list."""
    if isinstance(value, str):
        return [part.strip() for part in value.replace(",", ",").split(",") if part.strip()]
    return value


def _once(value: Any) -> Any:
    """JSON's true and 1.0 are no whole numbers, though Python takes them for such."""
    return str(value) if isinstance(value, bool | float) else value


Text = Annotated[str, AfterValidator(_encodable)]
Texts = Annotated[list[Text], BeforeValidator(separated)]
Whole = Annotated[int, BeforeValidator(_once)]

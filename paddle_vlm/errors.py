"""The exceptions that users see. Every message is Chinese and names the thing, the cause and the remedy."""


class PaddleVLMError(Exception):
    """Base of all errors that this project raises on purpose."""


class UsageError(PaddleVLMError):
    """An argument or option that cannot be meant as given (exit code 2)."""


class BadImage(PaddleVLMError):
    """A picture that cannot be read, is empty, truncated or larger than allowed."""


class ImageTooLarge(BadImage):
    """A picture with more pixels than allowed."""


class BadText(PaddleVLMError):
    """A text file, glossary or dictionary that cannot be read; names the line where there is one."""


class BadConfig(PaddleVLMError):
    """A YAML file or `-o key=value` override with an unknown key or an impossible value."""


class MissingWeights(PaddleVLMError):
    """Model weights that are not on this machine and cannot be fetched, or whose checksum is wrong."""


class MissingDependency(PaddleVLMError):
    """An optional package or system library that is not installed; names the command that installs it."""


class OutputError(PaddleVLMError):
    """A result that cannot be written, or that would overwrite its own input."""


class BadData(PaddleVLMError):
    """A data set that is not there, is damaged, or cannot be learnt from; names the folder or file."""


class TrainingFailed(PaddleVLMError):
    """A training run that cannot go on: the loss is not a number, or its folder belongs to another run."""


class BadIndex(PaddleVLMError):
    """A picture index that is missing, damaged, locked by another process, or made by another model."""


class Busy(PaddleVLMError):
    """More is asked for at once than there is room for; the same call may succeed `retry_after` seconds later."""

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(Busy):
    """What would answer is not there just now: a process is starting, or has died."""


class TooLate(PaddleVLMError):
    """No answer within the time that the caller allows."""

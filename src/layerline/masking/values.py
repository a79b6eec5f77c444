"""Credentials in params and events: a value is masked by the name of its key, or by its form."""

import functools
from collections.abc import Mapping
from typing import Any

from layerline.masking.names import is_telling, names_password
from layerline.masking.text import HIDDEN, masked, masked_forms

_DETECTORS = (  # detect-secrets' that find tokens of one maker; none of them guesses by entropy
    *("aws", "azure_storage_key", "cloudant", "discord", "github_token", "gitlab_token"),
    *("ibm_cloud_iam", "ibm_cos_hmac", "jwt", "mailchimp", "npm", "openai", "private_key"),
    *("pypi_token", "sendgrid", "slack", "softlayer", "square_oauth", "stripe"),
    *("telegram_token", "twilio"),
)


def masked_value(name: str, value: Any) -> Any:
    """A value as it may be shown: hidden if its key names a credential, else masked."""
    if isinstance(value, str):
        return HIDDEN if value and is_telling(name) else masked(value)
    if _is_number(value) and names_password(name):
        return HIDDEN
    if isinstance(value, Mapping):
        return {key: masked_value(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [masked_value(name, inner) for inner in value]
    return value


def credentials_in(values: Mapping[str, Any], *, thorough: bool = False) -> list[str]:
    """The keys of a flat mapping whose values hold a credential.

    Args:
        values: key -> value; a value may hold lists and mappings.
        thorough: also ask detect-secrets for tokens of known makers (half a second to import).
    """
    return [name for name, value in values.items() if _holds_credential(name, value, thorough)]


def _holds_credential(name: str, value: Any, thorough: bool) -> bool:
    if isinstance(value, str):
        if (value and is_telling(name)) or masked_forms(value) != value:
            return True
        return thorough and _is_detected(value)
    if isinstance(value, Mapping):
        return any(_holds_credential(str(key), inner, thorough) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return any(_holds_credential(name, inner, thorough) for inner in value)
    return _is_number(value) and names_password(name)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_detected(value: str) -> bool:
    return any(next(iter(plugin.analyze_string(value)), None) for plugin in _detectors())


@functools.cache
def _detectors() -> tuple[Any, ...]:
    import importlib
    import inspect

    from detect_secrets.plugins.base import RegexBasedDetector

    modules = [importlib.import_module(f"detect_secrets.plugins.{name}") for name in _DETECTORS]
    return tuple(
        found()
        for module in modules
        for found in vars(module).values()
        if inspect.isclass(found)
        and issubclass(found, RegexBasedDetector)
        and found.__module__ == module.__name__
    )

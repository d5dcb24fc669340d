import re

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tailrace.destination import Rate as PlainRate
from tailrace.project import types
from tailrace.project.reading import Reading
from tailrace.project.times import Cron, Zone

FILE = Reading()


def read(kind, value):
    return TypeAdapter(kind).validate_python(value, context=FILE)


@pytest.mark.parametrize(
    ("text", "seconds"), [("60s", 60), ("15m", 900), ("1h", 3600), ("1d", 86400), ("500ms", 0.5), ("1.5h", 5400)]
)
def test_durations_become_seconds(text, seconds):
    """A duration is a number with one unit."""
    assert read(types.Duration, text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "60", "s", "-1s", "1 s", "1w", "1s\n", "1e3s", "\u0661s", 60, 1.5, True, None, ["1s"]]
)
def test_what_is_no_duration_is_refused(text):
    """A number without a unit does not say what it means."""
    with pytest.raises(ValidationError, match="duration"):
        read(types.Duration, text)


def test_an_interval_is_above_zero():
    """A rate per zero seconds would be no rate."""
    assert read(types.Duration, "0s") == 0
    with pytest.raises(ValidationError, match="above zero"):
        read(types.Interval, "0.0s")


def test_code_may_give_seconds_and_shares_directly():
    """Without a file around them, values in final form are taken as they are."""
    assert TypeAdapter(types.Duration).validate_python(0.5) == 0.5
    assert TypeAdapter(types.Limit).validate_python(None) is None
    assert TypeAdapter(types.Percent).validate_python(0.25) == 0.25
    assert TypeAdapter(types.Rate).validate_python(PlainRate(1, 2.0)) == PlainRate(1, 2.0)


def test_a_limit_keeps_shares_and_rows_apart():
    """100% and 1 row are different brakes, though both could be written 1."""
    share, rows = read(types.Limit, "100%"), read(types.Limit, 1)
    assert (type(share), type(rows)) == (float, int)
    assert read(types.Limit, "off") is None
    assert read(types.Limit, "15%") == pytest.approx(0.15)


@pytest.mark.parametrize("value", ["101%", "15", "-1%", -1, 1.5, True, None, "none", "15 %"])
def test_what_is_no_limit_is_refused(value):
    """A brake that is misread does not brake."""
    with pytest.raises(ValidationError, match="share"):
        read(types.Limit, value)


def test_a_rate_is_calls_per_time():
    """The YAML form becomes the seam's own record."""
    assert read(types.Rate, {"calls": 50, "per": "5s"}) == PlainRate(50, 5.0)


@pytest.mark.parametrize("value", [{"calls": 0, "per": "5s"}, {"calls": 1}, {"calls": 1, "per": "0s"}, 5, "50/5s"])
def test_what_is_no_rate_is_refused(value):
    """A limit of no calls, or over no time, would stop everything or nothing."""
    with pytest.raises(ValidationError):
        read(types.Rate, value)


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".a", "-a", "a b", "a\n", "é", "a" * 101, 5])
def test_names_are_safe_as_file_names(name):
    """A sync's name becomes a folder, so nothing in it may lead elsewhere."""
    with pytest.raises(ValidationError):
        read(types.NameText, name)


@pytest.mark.parametrize("name", ["../people", "/people", "a//b", "people.sql", "a/../b", ""])
def test_model_names_stay_below_the_models_folder(name):
    """A model is named by its path below models/, and by nothing else."""
    with pytest.raises(ValidationError):
        read(types.ModelName, name)


@pytest.mark.parametrize("text", ["* * * *", "60 * * * *", "@daily", "0 0 31 2 *", "5-1 * * * *", "", " * * * * *", 5])
def test_what_is_no_cron_expression_is_refused(text):
    """An expression that never fires is a mistake too."""
    with pytest.raises(ValidationError, match="cron expression"):
        read(Cron, text)


@pytest.mark.parametrize(
    "text", ["*/15 * * * *", "0 6 * jan-MAR mon,wed", "0 0 L * *", "0 9 * * 5#2", "1,2-5/2 0-23 1 12 7"]
)
def test_cron_expressions_pass(text):
    """The usual forms, names of months and days included."""
    assert read(Cron, text) == text


def test_an_unknown_time_zone_gets_the_nearest_name():
    """A time zone's name has a spelling of its own."""
    with pytest.raises(ValidationError, match="should be a time zone; did you mean `Europe/Berlin`"):
        read(Zone, "Europe/Berln")


KINDS = [
    types.Duration,
    types.Interval,
    types.Count,
    types.Percent,
    types.Limit,
    types.Rate,
    types.NameText,
    types.ModelName,
    types.Filled,
    types.Secret,
    types.SecretUrl,
    Zone,
]
NEAR = st.one_of(
    st.from_regex(r"[0-9.]{0,6}(ms|s|m|h|d|%)\n?"),
    st.text("09.smhd%- \n", max_size=8),
    st.text("az09_-/. \né", max_size=8),
    st.text("$${}:env/@?&=patoken", max_size=25),
    st.lists(
        st.sampled_from(["${env:A}", "https://", "user", ":", "pw", "@", "host", "/x", "?token=", "&pwd=", "$", "{"])
    ).map("".join),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
    st.lists(st.text(max_size=2), max_size=2),
    st.fixed_dictionaries(
        {"calls": st.one_of(st.integers(-1, 3), st.just(2.0))}, optional={"per": st.sampled_from(["1s", "0s", 1])}
    ),
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: getattr(kind, "__name__", str(kind))[:60])
def test_each_json_schema_accepts_what_its_validator_accepts(kind):
    """An editor and the loader must never disagree on a value."""
    field = types.Model.__class__("Holder", (types.Model,), {"__annotations__": {"x": kind}, "__module__": __name__})
    schema = jsonschema.Draft202012Validator(field.model_json_schema())

    @settings(deadline=None)
    @given(NEAR)
    def agree(value):
        try:
            field.model_validate({"x": value}, context=FILE)
            accepted = True
        except ValidationError as error:
            # The environment is not the file's matter.
            accepted = all("is not set" in fault["msg"] for fault in error.errors())
        assert accepted == schema.is_valid({"x": value}), value

    agree()


def test_patterns_mean_the_same_outside_python():
    """Python's own regex extensions would mean nothing to an editor."""
    for pattern in (types.DURATION_PATTERN, types.PERCENT_PATTERN, types.NAME_PATTERN, types.MODEL_PATTERN):
        assert not re.search(r"\\[dwZAh]|\(\?P|\(\?[aiLmsux]", pattern)

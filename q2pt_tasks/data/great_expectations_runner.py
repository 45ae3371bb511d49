"""Evaluates expectations with Great Expectations: the only module that knows that library.

It is asked about one row of figures, in a context that lives in memory: nothing is written, no progress bar drawn,
nothing sent. The library passes over a suite that is empty or a figure that is missing, so both are refused here.
"""

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from q2pt_tasks.data.expectations import Expectation, Figure, Outcome

if TYPE_CHECKING:
    import pandas as pd

# As `verdicts_of`.
Verdicts = Callable[[Sequence[Expectation], Mapping[str, Figure]], dict[str, bool]]


class SuiteError(ValueError):
    """The expectations themselves are wrong, so nothing can be said about the data."""


def verdicts_of(expectations: Sequence[Expectation], figures: Mapping[str, Figure]) -> dict[str, bool]:
    """Whether each evaluated expectation holds, by its figure.

    Raises:
        SuiteError: one is unknown to Great Expectations, or cannot be evaluated.
    """
    import pandas as pd

    library = import_library()
    suite = library.ExpectationSuite(name="tables", expectations=[_translate(library, e) for e in expectations])
    results = _batch(library, pd.DataFrame([dict(figures)])).validate(suite).results
    return {_figure(result): bool(result.success) for result in results}


def evaluate(
    expectations: Sequence[Expectation], figures: Mapping[str, Figure], verdicts: Verdicts = verdicts_of
) -> tuple[Outcome, ...]:
    """One outcome per expectation, in the declared order.

    Args:
        expectations: what is expected of `figures`.
        figures: all that were measured.
        verdicts: asks the library, such as in another process.

    Raises:
        SuiteError: there are no expectations, two speak of one figure, or one has no bounds, speaks of a figure that
            was not measured, is unknown to Great Expectations, cannot be evaluated, or was passed over.
    """
    _check_declared(expectations, figures)
    found = verdicts(expectations, figures)
    if len(found) != len(expectations):
        passed_over = sorted({expectation.figure for expectation in expectations} - set(found))
        raise SuiteError(f"{len(found)} of {len(expectations)} expectations were evaluated; not: {passed_over}")
    return tuple(
        Outcome(expectation, figures[expectation.figure], found[expectation.figure]) for expectation in expectations
    )


def _check_declared(expectations: Sequence[Expectation], figures: Mapping[str, Figure]) -> None:
    if not expectations:
        raise SuiteError("no expectations are declared: an empty suite would pass any data")
    names = [expectation.figure for expectation in expectations]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise SuiteError(f"more than one expectation speaks of {repeated}; give each its own figure")
    if boundless := sorted(each.figure for each in expectations if not each.arguments):
        raise SuiteError(f"the expectations of {boundless} have no bounds: they would pass any data")
    if missing := sorted(name for name in names if name not in figures):
        raise SuiteError(f"expectations speak of figures that were not measured: {missing}; found {sorted(figures)}")
    # Great Expectations ignores undefined values, and so would pass over them.
    if undefined := sorted(name for name in names if figures[name] != figures[name]):
        raise SuiteError(f"the figures {undefined} are not numbers")


def import_library() -> Any:  # noqa: ANN401 - the library has no types of its own
    """Great Expectations, which keeps to itself."""
    # Where PySpark is installed, the library imports its Connect, which takes a process without a main module for a
    # doctest and ends it. Nobody here needs it: None says that there is none.
    sys.modules.setdefault("pyspark.sql.connect", None)  # type: ignore[arg-type]
    import great_expectations

    # Its import sends all Python warnings of the process to a log; the stage's own must stay visible.
    logging.captureWarnings(False)
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    # This one has a level of its own, and tells of a folder that is gone when the stage ends.
    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.ERROR)
    return great_expectations


def _translate(library: Any, expectation: Expectation) -> Any:  # noqa: ANN401
    kind = getattr(library.expectations, expectation.kind, None)
    if kind is None:
        raise SuiteError(
            f"'{expectation.figure}': Great Expectations {library.__version__} has no expectation"
            f" '{expectation.kind}'; correct its spelling"
        )
    try:
        return kind(column=expectation.figure, meta={"figure": expectation.figure}, **expectation.arguments)
    except (TypeError, ValueError) as error:
        problem = f"{expectation.kind} refuses {dict(expectation.arguments)}: {error}"
        raise SuiteError(f"'{expectation.figure}': {problem}") from None


def _batch(library: Any, row: "pd.DataFrame") -> Any:  # noqa: ANN401
    context = library.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    asset = context.data_sources.add_pandas("figures").add_dataframe_asset("figures")
    return asset.add_batch_definition_whole_dataframe("row").get_batch({"dataframe": row})


def _figure(result: Any) -> str:  # noqa: ANN401
    figure = str(result.expectation_config.meta["figure"])
    if result.exception_info.get("raised_exception", True):
        problems = sorted({str(info) for info in _messages(result.exception_info)})
        raise SuiteError(f"'{figure}' could not be evaluated: {'; '.join(problems)}")
    return figure


def _messages(exception_info: Mapping[str, Any]) -> list[object]:
    """One message, or one per measurement that failed: the library has both forms."""
    if "exception_message" in exception_info:
        return [exception_info["exception_message"]]
    return [info["exception_message"] for info in exception_info.values()]

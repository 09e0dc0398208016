"""What a formula of covariates may say: names, and what is worked out row by row."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from clvforecast.errors import DataError

if TYPE_CHECKING:
    from formulaic import SimpleFormula

__all__ = ["CheckedFormula", "checked_formula"]

_FUNCTIONS: Final = frozenset({"C", "I", "exp", "exp10", "exp2", "log", "log10", "log2"})
_HARMLESS: Final = (
    ast.BinOp,
    ast.Compare,
    ast.Constant,
    ast.Expression,
    ast.List,
    ast.Name,
    ast.Tuple,
    ast.UnaryOp,
    ast.cmpop,
    ast.expr_context,
    ast.keyword,
    ast.operator,
    ast.unaryop,
)


@dataclass(frozen=True)
class CheckedFormula:
    """A formula that can be worked out for one customer without knowing of the others.

    Attributes
    ----------
    parsed : formulaic.SimpleFormula
    variables : tuple of str
        The columns it needs.
    coded : frozenset of str
        Those of them that it makes categories of, as in ``C(region)``.
    """

    parsed: SimpleFormula
    variables: tuple[str, ...]
    coded: frozenset[str]


def checked_formula(formula: str) -> CheckedFormula:
    """Parse the right-hand side of a formula.

    Expressions are limited to arithmetic, comparisons and NumPy's elementwise functions: a formula
    out of a saved fit can then do no harm, and gives a customer the same numbers in every batch.

    Raises
    ------
    DataError
        If it is no such formula.
    """
    from formulaic import Formula, SimpleFormula
    from formulaic.errors import FormulaicError
    from formulaic.parser.types import Factor

    if not isinstance(formula, str):
        raise DataError(
            f"covariates={formula!r} must be a formula such as 'channel + age', or one for each "
            "part of the model."
        )
    if "~" in formula:
        raise DataError(
            f"The formula {formula!r} has a left-hand side: write only the covariates, such as "
            "'channel + age'."
        )
    try:
        parsed = Formula(formula)
    except (FormulaicError, SyntaxError) as error:
        reason = re.split(r"\. |\n", str(error))[0].rstrip(".")
        raise DataError(
            f"The formula {formula!r} cannot be read: {reason}. Write it as 'channel + age'."
        ) from error
    if not isinstance(parsed, SimpleFormula):
        raise DataError(f"The formula {formula!r} has several parts: write one sum of covariates.")
    factors = {
        factor.expr
        for term in parsed
        for factor in term.factors
        if factor.eval_method == Factor.EvalMethod.PYTHON
    }
    coded = {name for expression in factors for name in _coded(formula, expression)}
    terms = [str(term) for term in parsed]
    if "1" not in terms:
        raise DataError(
            f"The formula {formula!r} leaves out the intercept, which is the model's own "
            "parameter. Take '- 1' or '0 +' out."
        )
    variables = tuple(sorted(str(name) for name in parsed.required_variables))
    if not variables:
        raise DataError(f"The formula {formula!r} names no covariate: write 'channel + age'.")
    return CheckedFormula(parsed, variables, frozenset(coded))


def _coded(formula: str, expression: str) -> list[str]:
    """The variables that an expression makes categories of; raises if it may not stand there."""
    quoted: list[str] = []

    def placeholder(found: re.Match[str]) -> str:
        quoted.append(found.group(1))
        return f"_quoted_{len(quoted) - 1}"

    tree = ast.parse(re.sub(r"`([^`]*)`", placeholder, expression), mode="eval")
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    accepted = {id(call.func) for call in calls if _is_elementwise(call)}
    accepted |= {id(node) for node in ast.walk(tree) if _is_constant(node)}
    within = {
        id(inner) for node in ast.walk(tree) if id(node) in accepted for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in within or isinstance(node, _HARMLESS) or _is_elementwise(node):
            continue
        raise DataError(
            f"The formula {formula!r} may not say {ast.unparse(node)!r}: what it does to one "
            "customer could depend on the others. Use names, arithmetic, C(), I() and NumPy's "
            "elementwise functions such as np.log(); covariates are centred and scaled in any "
            "case. Anything else is best made a column of the table."
        )
    named = [
        node.args[0].id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "C"
        and node.args
        and isinstance(node.args[0], ast.Name)
    ]
    return [
        quoted[int(name.removeprefix("_quoted_"))] if name.startswith("_quoted_") else name
        for name in named
    ]


def _is_elementwise(node: ast.AST) -> bool:
    """Whether this calls a function that sees one row at a time, or codes a category."""
    if not isinstance(node, ast.Call):
        return False
    function = node.func
    if isinstance(function, ast.Name):
        return function.id in _FUNCTIONS
    module, name = _member(function)
    return module == "contr" or (module == "np" and isinstance(getattr(np, name, None), np.ufunc))


def _is_constant(node: ast.AST) -> bool:
    """Whether this is a number of NumPy, such as ``np.pi``, or a coding, such as ``contr.sum``."""
    module, name = _member(node)
    return module == "contr" or (module == "np" and isinstance(getattr(np, name, None), float))


def _member(node: ast.AST) -> tuple[str, str]:
    """The module and the name, where this is something public in a module; or else two blanks."""
    if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)):
        return "", ""
    return ("", "") if node.attr.startswith("_") else (node.value.id, node.attr)

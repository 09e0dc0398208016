"""Pictures of tables: each takes data and an optional `ax`, and returns the `Axes`.

Nothing is computed here; the tables come from `compare`, `frequency_recency_matrix`, the fits, and
what is made of a backtest, such as `decile_calibration`.
Colours are told apart by the colour-blind and in grey print.
"""

from __future__ import annotations

from clvforecast.plots.backtests import plot_backtest
from clvforecast.plots.budgets import plot_acquisition, plot_retention
from clvforecast.plots.calibration import (
    plot_conditional_expectation,
    plot_decile_calibration,
    plot_gains,
    plot_interval_coverage,
    plot_pit,
)
from clvforecast.plots.customers import (
    plot_future_share_by_decile,
    plot_predicted_vs_historical,
    plot_rank_movement,
)
from clvforecast.plots.experiments import plot_groups
from clvforecast.plots.laws import (
    plot_alive_history,
    plot_purchase_distribution,
    plot_spend_distribution,
)
from clvforecast.plots.monitoring import plot_monitored, plot_monitoring
from clvforecast.plots.portfolios import plot_portfolio
from clvforecast.plots.purchases import (
    plot_expected_purchases_matrix,
    plot_p_alive_matrix,
    plot_purchase_counts,
)
from clvforecast.plots.scenarios import plot_what_if
from clvforecast.plots.seasons import plot_multipliers
from clvforecast.plots.segments import plot_segment_transitions, plot_segments
from clvforecast.plots.tracking import plot_purchase_tracking, plot_weekly_orders

__all__ = [
    "plot_acquisition",
    "plot_alive_history",
    "plot_backtest",
    "plot_conditional_expectation",
    "plot_decile_calibration",
    "plot_expected_purchases_matrix",
    "plot_future_share_by_decile",
    "plot_gains",
    "plot_groups",
    "plot_interval_coverage",
    "plot_monitored",
    "plot_monitoring",
    "plot_multipliers",
    "plot_p_alive_matrix",
    "plot_pit",
    "plot_portfolio",
    "plot_predicted_vs_historical",
    "plot_purchase_counts",
    "plot_purchase_distribution",
    "plot_purchase_tracking",
    "plot_rank_movement",
    "plot_retention",
    "plot_segment_transitions",
    "plot_segments",
    "plot_spend_distribution",
    "plot_weekly_orders",
    "plot_what_if",
]

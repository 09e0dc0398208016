"""What each section of the report says."""

from __future__ import annotations

from clvforecast.reporting.blocks import Section
from clvforecast.reporting.contents.comparison import comparison_section
from clvforecast.reporting.contents.customers import customers_section
from clvforecast.reporting.contents.headline import headline_section
from clvforecast.reporting.contents.levers import levers_section
from clvforecast.reporting.contents.method import method_section
from clvforecast.reporting.contents.months import months_section
from clvforecast.reporting.contents.people import people_section
from clvforecast.reporting.contents.quality import quality_section
from clvforecast.reporting.contents.segments import segments_section
from clvforecast.reporting.contents.trust import trust_section
from clvforecast.reporting.contents.writing import Writer

__all__ = ["Writer", "sections"]


def sections(writer: Writer) -> list[Section]:
    """Every section of the report, in the order of reading."""
    written = (
        headline_section,
        comparison_section,
        segments_section,
        people_section,
        months_section,
        levers_section,
        trust_section,
        quality_section,
        method_section,
        customers_section,
    )
    return [write(writer) for write in written]

"""Which agencies there are, and which one answers for which class of harm."""

from django.conf import settings

from moderation.models.case import HarmClass

from .base import Agency, UnknownAgency
from .iwf.payload import IWF

AGENCIES: dict[str, Agency] = {agency.slug: agency for agency in (IWF(),)}


def agency(slug: str) -> Agency:
    """Return the agency of that name, or raise UnknownAgency."""
    try:
        return AGENCIES[slug]
    except KeyError:
        known = ", ".join(sorted(AGENCIES))
        raise UnknownAgency(f"No agency “{slug}”: set REPORT_AGENCY to one of {known}.") from None


def responsible(harm_class: str) -> tuple[Agency, ...]:
    """Return whom a confirmed case of this class is reported to.

    One body a case, to spare the agencies duplicate work: REPORT_AGENCY, where it takes the class.
    Nobody takes a class that is not child sexual abuse material, nor one not yet classed.
    """
    chosen = agency(settings.REPORT_AGENCY)
    return (chosen,) if HarmClass(harm_class) in chosen.takes else ()

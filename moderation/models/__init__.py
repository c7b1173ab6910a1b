"""What is kept in PostgreSQL, one noun a file. Of a dataset's entries only flagged ones are."""

from .case import Case, Reveal, Review
from .case_tally import CaseTally
from .chain_check import ChainCheck
from .coverage import Coverage, PassedOver
from .custody import CustodyEvent
from .dataset import Dataset, Revision, Shard
from .decision import Decision
from .dispute import Dispute
from .entry import Entry, Preview
from .fetch_grant import FetchGrant
from .flag import Flag, Match
from .grant import Grant
from .hash_list import HashList, HashListVersion, KnownHash
from .known_block import KnownBlock, KnownWithdrawal
from .legal_basis import LegalBasis
from .list_precision import ListPrecision
from .note import Note
from .person import Capability, Person
from .removal import Manifest, ManifestLine, Receipt, Removal
from .saved_view import SavedView
from .scan import Scan, ShardScan
from .sealed import SealedObject
from .session import Session
from .training import Training
from .wellness import Wellness

__all__ = [
    "Capability",
    "Case",
    "CaseTally",
    "ChainCheck",
    "Coverage",
    "CustodyEvent",
    "Dataset",
    "Decision",
    "Dispute",
    "Entry",
    "FetchGrant",
    "Flag",
    "Grant",
    "HashList",
    "HashListVersion",
    "KnownBlock",
    "KnownHash",
    "KnownWithdrawal",
    "LegalBasis",
    "ListPrecision",
    "Manifest",
    "ManifestLine",
    "Match",
    "Note",
    "PassedOver",
    "Person",
    "Preview",
    "Receipt",
    "Removal",
    "Reveal",
    "Review",
    "Revision",
    "SavedView",
    "Scan",
    "SealedObject",
    "Session",
    "Shard",
    "ShardScan",
    "Training",
    "Wellness",
]

"""Which reducer takes in which kind of event.

A reducer says what a kind changes in the state of its model, and when it counts for nothing. None of them reads a database,
a clock or a policy file: what a policy says about signatures is read from the `policy_adopted` record that was in force.
"""

from collections.abc import Mapping

from mlops_assets.ledger.events import champion, discovery, judgements, privacy, response, tiers, versions, windows
from mlops_assets.ledger.events.base import Event
from mlops_assets.ledger.state.reducers import champion as on_champion
from mlops_assets.ledger.state.reducers import discovery as on_discovery
from mlops_assets.ledger.state.reducers import judgements as on_judgements
from mlops_assets.ledger.state.reducers import privacy as on_privacy
from mlops_assets.ledger.state.reducers import response as on_response
from mlops_assets.ledger.state.reducers import training as on_training
from mlops_assets.ledger.state.reducers import windows as on_windows
from mlops_assets.ledger.state.reducers.common import Reducer

REDUCERS: Mapping[type[Event], Reducer] = {
    versions.SnapshotTaken: on_training.snapshot_taken,
    versions.VersionRegistered: on_training.version_registered,
    versions.CardIssued: on_training.card_issued,
    judgements.GateDecided: on_training.gate_decided,
    judgements.Approval: on_judgements.approval,
    judgements.ExceptionGranted: on_judgements.exception_granted,
    judgements.ExceptionWithdrawn: on_judgements.exception_withdrawn,
    judgements.FindingRecorded: on_judgements.finding_recorded,
    judgements.FindingResponded: on_judgements.finding_responded,
    judgements.FindingExtended: on_judgements.finding_extended,
    judgements.FindingClosed: on_judgements.finding_closed,
    judgements.ValidationRecorded: on_judgements.validation_recorded,
    judgements.ClauseConcluded: on_judgements.clause_concluded,
    judgements.PolicyAdopted: on_judgements.policy_adopted,
    tiers.TierAssessed: on_judgements.tier_assessed,
    champion.StepSigned: on_champion.step_signed,
    champion.SegmentPaused: on_champion.segment_paused,
    champion.SegmentResumed: on_champion.segment_resumed,
    champion.Promotion: on_champion.promotion,
    champion.Rollback: on_champion.rollback,
    champion.Suspension: on_champion.suspension,
    champion.Resumption: on_champion.resumption,
    champion.Retirement: on_champion.retirement,
    windows.WindowDue: on_windows.window_due,
    windows.WindowScored: on_windows.window_scored,
    windows.HealthVerdict: on_windows.health_verdict,
    windows.LadderTested: on_windows.ladder_tested,
    response.IncidentOpened: on_response.incident_opened,
    response.IncidentReopened: on_response.incident_reopened,
    response.IncidentWidened: on_response.incident_widened,
    response.IncidentTakenUp: on_response.incident_taken_up,
    response.IncidentMerged: on_response.incident_merged,
    response.IncidentTicketed: on_response.incident_ticketed,
    response.IncidentAcknowledged: on_response.incident_acknowledged,
    response.IncidentMitigated: on_response.incident_mitigated,
    response.IncidentReported: on_response.incident_reported,
    response.IncidentClosed: on_response.incident_closed,
    response.RetrainingRequested: on_response.retraining_request,
    response.RetrainingClosed: on_response.retraining_closed,
    discovery.SourceSearched: on_discovery.source_searched,
    discovery.ModelDiscovered: on_discovery.model_discovered,
    discovery.ModelGone: on_discovery.model_gone,
    discovery.DiscoveryIgnored: on_discovery.discovery_ignored,
    discovery.DiscoveryAssigned: on_discovery.discovery_assigned,
    privacy.RowsErased: on_privacy.rows_erased,
    privacy.RowsExpired: on_privacy.rows_expired,
}
"""What each kind changes. Events about people change who may sign, and stored evidence and checked estimates no state."""

"""Ways around the gates, tried through Dagster, MLflow and the file system: each is refused or found, none is silent."""

import pickle
import shutil
import warnings

import dagster as dg
import polars as pl
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake

from mlops_assets import GovernedModel, build_definitions
from mlops_assets.inspection import versions
from mlops_assets.inspection.lookup import ChangedPredictions, prediction_row
from mlops_assets.orchestration.resource import project_resources
from mlops_assets.pipeline.watch import watch
from mlops_assets.project import read_declaration
from mlops_assets.release.champion import champion_state
from mlops_assets.release.promotion import PromotionRefused, promote
from mlops_assets.response.incidents import incidents, open_incident
from mlops_assets.stores.registry import RegistryError
from mlops_assets.training.artifact import ArtifactError
from mlops_assets_tests.integration.harm import Trap, verify
from mlops_assets_tests.integration.small_project import SNAPSHOT, TIMED, WINDOWS, declare

pytestmark = pytest.mark.integration
REFUSED = "refused_payment"


@pytest.fixture(scope="module")
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def run_job(attacked, instance, job: str, **options) -> dg.ExecuteInProcessResult:
    repository = build_definitions(attacked.platform.project.defs).get_repository_def()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return repository.get_job(job).execute_in_process(instance=instance, raise_on_error=False, **options)


def failure_of(result: dg.ExecuteInProcessResult, stage: str) -> str:
    (event,) = [e for e in result.get_step_failure_events() if e.step_key.endswith(f"__{stage}")]
    error = event.step_failure_data.error
    return str(error.cause or error)


def told_by_watch(attacked) -> str:
    return watch(attacked.platform, 0).text


class TestAFailedGate:
    """A model that uses a column which all but gives the answer away: the leakage gate stops it."""

    @pytest.fixture(scope="class")
    def refused(self, attacked, instance) -> dg.ExecuteInProcessResult:
        defs = attacked.platform.project.defs
        path = defs.parents[1] / "data" / "late payments.parquet"
        rows = pl.read_parquet(path)
        leak = (pl.col("zu spät?") == "yes").cast(pl.Float64)
        rows.with_columns(leak.alias("reminders sent")).write_parquet(path.with_name("leaky.parquet"))
        text = (defs / "models" / TIMED / "defs.yaml").read_text(encoding="utf-8")
        text = text.replace("late payments.parquet", "leaky.parquet")
        declare(
            defs,
            REFUSED,
            text.replace("    days-granted: numeric", "    days-granted: numeric\n    reminders sent: numeric"),
        )
        return run_job(attacked, instance, f"{REFUSED}__training")

    def test_stops_the_run(self, refused):
        assert not refused.success
        failed = {c.check_name for c in refused.get_asset_check_evaluations() if not c.passed and c.blocking}
        assert failed == {"leakage"}

    def test_materializing_the_rest_directly_promotes_nothing(self, attacked, refused, instance):
        """As somebody does in the UI: select what is downstream of the failed check and materialize it."""
        rest = [
            "features", "candidates", "challenger", "reference_profile", "evaluation", "fairness", "explanations",
            "model_card", "approval", "champion",
        ]  # fmt: skip
        keys = [dg.AssetKey([REFUSED, name]) for name in rest]
        result = run_job(attacked, instance, f"{REFUSED}__training", asset_selection=keys)
        assert result.success, "the run is green, and still nothing is promoted"
        assert champion_state(attacked.ledger, REFUSED).champion is None
        assert "champion" not in attacked.registry.aliases(REFUSED)
        (event,) = [e for e in result.get_asset_materialization_events() if e.asset_key.path[-1] == "champion"]
        reasons = str(event.materialization.metadata["why not"].value)
        assert "leakage" in reasons

    def test_without_checks_promotes_nothing(self, attacked, refused, instance):
        declaration = read_declaration(attacked.platform.project.defs / "models" / REFUSED / "defs.yaml")
        resources = project_resources(attacked.platform.project.defs)
        assets = [
            a for a in GovernedModel(declaration).definitions().assets or () if isinstance(a, dg.AssetsDefinition)
        ]
        keys = [
            k for a in assets for k in a.keys if k.path[-1] in ("training_data", "features", "approval", "champion")
        ]
        selection = dg.AssetSelection.assets(*keys).without_checks()
        # An asset and its checks are one step here, so Dagster itself finds nothing that could be run without them.
        with pytest.raises(dg.DagsterInvalidDefinitionError):
            dg.materialize(assets, selection=selection, instance=instance, resources=resources)
        assert champion_state(attacked.ledger, REFUSED).champion is None

    def test_a_result_flipped_in_dagsters_event_log_promotes_nothing(self, attacked, refused, instance):
        key = dg.AssetKey([REFUSED, "training_data"])
        instance.report_runless_asset_event(dg.AssetCheckEvaluation(asset_key=key, check_name="leakage", passed=True))
        run_job(attacked, instance, f"{REFUSED}__release")
        assert champion_state(attacked.ledger, REFUSED).champion is None

    def test_a_run_configured_with_another_projects_rules_does_not_start(self, attacked, refused, instance, tmp_path):
        """Whoever may launch runs could bring a policy along that asks for nothing."""
        (tmp_path / "pyproject.toml").touch()
        other = shutil.copytree(attacked.platform.project.defs, tmp_path / "defs")
        config = {"resources": {"platform": {"config": {"defs_folder": str(other)}}}}
        with pytest.raises(dg.DagsterInvalidConfigError, match="defs_folder"):
            run_job(attacked, instance, f"{REFUSED}__release", run_config=config)

    def test_promotion_itself_names_the_gate(self, attacked, refused):
        policy = attacked.platform.policy(TIMED)
        with pytest.raises(PromotionRefused, match="gate leakage is"):
            promote(attacked.ledger, attacked.registry, policy, REFUSED, 1, lambda m, v: digest_of(attacked, m, v))


def digest_of(attacked, model: str, version: int) -> str:
    return versions.verify_artifact(attacked.platform, model, version)


class TestTheRegistry:
    def test_an_alias_moved_with_mlflows_own_client_is_put_back_and_raised(self, attacked):
        client = attacked.registry.client
        other = client.create_model_version(TIMED, client.get_model_version(TIMED, "1").source)
        client.set_registered_model_alias(TIMED, "champion", other.version)
        said = told_by_watch(attacked)
        assert attacked.registry.aliases(TIMED)["champion"] == 1
        assert "put right" in said
        raised = {
            i.cause for i in incidents(attacked.ledger.state(), TIMED) if i.kind == "registry_changed" and i.is_open
        }
        assert any("alias_moved" in cause for cause in raised)
        assert any("version_unregistered" in cause for cause in raised), "the version made past the ledger is named too"
        client.delete_model_version(TIMED, other.version)

    def test_looking_again_raises_nothing_more(self, attacked):
        before = [i.id for i in incidents(attacked.ledger.state(), TIMED)]
        told_by_watch(attacked)
        assert [i.id for i in incidents(attacked.ledger.state(), TIMED)] == before

    def test_an_edited_tag_is_put_back(self, attacked):
        tag = "mlops.artifact_digest"
        right = attacked.registry.versions(TIMED)[1][tag]
        attacked.registry.client.set_model_version_tag(TIMED, "1", tag, "0" * 64)
        told_by_watch(attacked)
        assert attacked.registry.versions(TIMED)[1][tag] == right

    def test_a_deleted_champion_raises_an_incident_and_scores_nothing(self, attacked):
        attacked.registry.client.delete_model_version(SNAPSHOT, "1")
        told_by_watch(attacked)
        raised = [i for i in incidents(attacked.ledger.state(), SNAPSHOT) if i.kind == "registry_changed" and i.is_open]
        assert any("deleted from the registry" in i.summary for i in raised)
        policy = attacked.platform.policy(SNAPSHOT)
        with pytest.raises(PromotionRefused, match="deleted"):
            promote(attacked.ledger, attacked.registry, policy, SNAPSHOT, 1, lambda m, v: digest_of(attacked, m, v))

    def test_an_alias_set_again_after_that_is_taken_away_and_raised(self, attacked):
        """The model's real champion is gone: no other version takes its place by an alias alone."""
        client = attacked.registry.client
        other = client.create_model_version(SNAPSHOT, client.get_model_version(TIMED, "1").source)
        client.set_registered_model_alias(SNAPSHOT, "champion", other.version)
        said = told_by_watch(attacked)
        assert "champion" not in attacked.registry.aliases(SNAPSHOT)
        assert "put right" in said
        raised = [i for i in incidents(attacked.ledger.state(), SNAPSHOT) if i.kind == "registry_changed" and i.is_open]
        assert any("alias champion" in i.summary and f"version {other.version}" in i.summary for i in raised)
        assert any("never registered" in i.summary for i in raised)
        client.delete_model_version(SNAPSHOT, other.version)

    def test_a_cursor_set_beyond_the_ledger_hides_nothing(self, attacked):
        """Dagster's storage is anybody's who runs models: its cursors say from where on the sensors look."""
        found = watch(attacked.platform, 10**9)
        assert found.last <= attacked.ledger.last().seq
        assert found.notices > 0

    def test_a_registry_that_cannot_be_read_keeps_nobody_from_being_told(self, attacked, monkeypatch, caplog):
        open_incident(attacked.ledger, SNAPSHOT, kind="data_quality", severity="act", summary="a column is gone")
        monkeypatch.setattr(type(attacked.registry), "everything", lambda self: 1 / 0)
        with caplog.at_level("INFO"), pytest.raises(RuntimeError, match="could not be compared"):
            watch(attacked.platform, 0)
        assert "a column is gone" in [r.args[-1] for r in caplog.records if r.name == "mlops_assets.notification"]
        monkeypatch.undo()


class TestTheArtifact:
    @pytest.fixture
    def folder(self, attacked):
        with attacked.registry.folder(TIMED, 1) as stored:
            found = stored
        kept = found.with_name("kept")
        shutil.copytree(found, kept)
        yield found
        shutil.rmtree(found)
        kept.rename(found)

    def score(self, attacked, instance) -> dg.ExecuteInProcessResult:
        keys = [dg.AssetKey([TIMED, "predictions"])]
        return run_job(attacked, instance, f"{TIMED}__monitoring", partition_key=WINDOWS[0], asset_selection=keys)

    def test_changed_bytes_are_not_scored_with(self, attacked, folder, instance):
        (stored,) = folder.rglob("*.skops")
        content = bytearray(stored.read_bytes())
        content[len(content) // 2] ^= 1
        stored.write_bytes(content)
        result = self.score(attacked, instance)
        assert not result.success
        assert "signature" in failure_of(result, "predictions").lower()
        assert not attacked.platform.lake.exists(f"{TIMED}/predictions")

    def test_a_pickle_beside_it_is_not_loaded(self, attacked, folder, instance):
        (folder / "model.pkl").write_bytes(pickle.dumps(Trap()))
        result = self.score(attacked, instance)
        assert not result.success
        assert not Trap.sprung
        assert failure_of(result, "predictions")

    def test_a_pickle_in_its_place_is_not_loaded(self, attacked, folder, instance):
        (stored,) = folder.rglob("*.skops")
        stored.write_bytes(pickle.dumps(Trap()))
        result = self.score(attacked, instance)
        assert not result.success
        assert not Trap.sprung

    def test_another_models_artifact_is_not_scored_with(self, attacked, folder, instance):
        (stored,) = folder.rglob("*.skops")
        other = next(p for p in attacked.platform.home.mlflow.rglob("*.skops") if SNAPSHOT in str(p))
        shutil.copyfile(other, stored)
        assert not self.score(attacked, instance).success

    @pytest.mark.parametrize("what", ["model.skops", "its folder"])
    def test_a_link_in_its_place_is_not_followed(self, attacked, folder, tmp_path, what):
        """The linked bytes are the right ones now; they could be others a moment later."""
        (stored,) = folder.rglob("*.skops")
        linked = stored if what == "model.skops" else folder
        elsewhere = tmp_path / linked.name
        shutil.move(linked, elsewhere)
        linked.symlink_to(elsewhere)
        try:
            with pytest.raises(ArtifactError, match="symbolic link"):
                versions.load_verified(attacked.platform, attacked.platform.project.declaration(TIMED), 1)
            with pytest.raises(ArtifactError, match="symbolic link"):
                digest_of(attacked, TIMED, 1)
        finally:
            linked.unlink()
            shutil.move(elsewhere, linked)

    def test_a_file_with_a_hole_of_a_terabyte_is_not_copied(self, attacked, folder):
        """It takes no room where it lies; to copy it in order to check it would fill the disk of who scores."""
        with (folder / "notes.txt").open("wb") as sparse:
            sparse.truncate(2**40)
        with pytest.raises(ArtifactError, match="no model does"):
            digest_of(attacked, TIMED, 1)
        (folder / "notes.txt").unlink()

    def test_a_swap_between_verifying_and_loading_changes_nothing(self, attacked, folder, monkeypatch):
        (stored,) = folder.rglob("*.skops")
        check = versions.verify_folder

        def swap(*arguments):
            check(*arguments)
            stored.write_bytes(pickle.dumps(Trap()))

        monkeypatch.setattr(versions, "verify_folder", swap)
        pipeline = versions.load_verified(attacked.platform, attacked.platform.project.declaration(TIMED), 1)
        assert hasattr(pipeline, "predict"), "what was verified is what was loaded"
        assert not Trap.sprung
        monkeypatch.undo()
        with pytest.raises(ArtifactError, match="signature"):
            versions.load_verified(attacked.platform, attacked.platform.project.declaration(TIMED), 1)

    def test_put_back_it_scores(self, attacked, instance):
        assert self.score(attacked, instance).success
        assert attacked.platform.lake.windows(f"{TIMED}/predictions") == [WINDOWS[0]]


class TestTheLake:
    """A row of training data is changed in the file itself, past Delta."""

    @pytest.fixture
    def part(self, attacked):
        (found,) = attacked.platform.lake.path(f"{TIMED}/training_data").glob("*.parquet")
        kept = found.read_bytes()
        yield found
        found.write_bytes(kept)

    def test_one_changed_value_is_named(self, attacked, part, capsys):
        rows = pl.read_parquet(part)
        column = pl.col("days-granted")
        first = pl.int_range(pl.len()) == 0
        rows.with_columns(pl.when(first).then(column + 1).otherwise(column).alias("days-granted")).write_parquet(part)
        found = verify(attacked, capsys)
        assert found.code == 1
        assert any(p["where"] == "lake" and f"{TIMED}/training_data" in p["what"] for p in found.problems)

    def test_a_deleted_file_is_named(self, attacked, part, capsys):
        part.unlink()
        found = verify(attacked, capsys)
        assert found.code == 1
        assert any(p["where"] == "lake" and "cannot be read" in p["what"] for p in found.problems)

    def test_put_back_the_lake_is_whole(self, attacked, capsys):
        assert not [p for p in verify(attacked, capsys).problems if p["where"] == "lake"]


class TestWhatIsKept:
    """Files that people and monitoring rely on, in the hands of whoever may write to the home, MLflow or the lake."""

    @pytest.mark.parametrize(
        ("pattern", "where"),
        [
            ("mlflow/artifacts/late_payment/*/artifacts/evidence/reference_profile.json", "evidence"),
            ("reports/cards/late_payment/v1/card.html", "card"),
            ("reports/cards/late_payment/v1/card.json", "card"),
        ],
    )
    def test_a_changed_file_is_named(self, attacked, pattern, where, capsys):
        (path,) = attacked.platform.home.root.glob(pattern)
        kept, before = path.read_bytes(), verify(attacked, capsys).problems
        path.write_bytes(kept.replace(b"e", b"a", 1))
        found = [p for p in verify(attacked, capsys).problems if p not in before]
        path.write_bytes(kept)
        assert [p["where"] for p in found] == [where]

    def test_changed_evidence_is_not_read(self, attacked):
        """Monitoring compares windows with the reference profile: a widened one would hide every change."""
        (path,) = attacked.platform.home.root.glob(
            f"mlflow/artifacts/{TIMED}/*/artifacts/evidence/reference_profile.json"
        )
        kept = path.read_bytes()
        path.write_bytes(kept + b" ")
        run = attacked.ledger.latest("version_registered", model=TIMED).body["run_id"]
        with pytest.raises(RegistryError, match="was changed"):
            attacked.registry.evidence(run, "reference_profile")
        path.write_bytes(kept)

    def test_a_window_that_nobody_scored_is_named(self, attacked, capsys):
        folder = str(attacked.platform.lake.path(f"{TIMED}/predictions"))
        known, before = verify(attacked, capsys).problems, DeltaTable(folder).version()
        invented = pl.read_delta(folder).head(1).with_columns(pl.lit("2031-01-01").alias("mlops_window"))
        write_deltalake(folder, invented.to_arrow(), mode="append")
        found = [p for p in verify(attacked, capsys).problems if p not in known]
        DeltaTable(folder).restore(before)
        assert ["window 2031-01-01: the ledger has no record" in p["what"] for p in found] == [True]

    @pytest.mark.parametrize("table", ["features", "predictions"])
    def test_a_row_written_with_deltas_own_client_is_named(self, attacked, table, capsys):
        """A version of its own, with a commit that looks like ours: files that we wrote stay as they were."""
        folder = str(attacked.platform.lake.path(f"{TIMED}/{table}"))
        known, before = verify(attacked, capsys).problems, DeltaTable(folder)
        digest = next((c["mlops_digest"] for c in before.history() if c.get("mlops_digest")), "")
        row = pl.read_delta(folder).head(1)
        forged = f"{TIMED}:{WINDOWS[0]}:v1:{'ab' * 16}"
        if table == "predictions":
            row = row.with_columns(pl.lit(forged).alias("prediction_id"))
        told = CommitProperties(custom_metadata={"mlops_digest": digest} if digest else None)
        write_deltalake(folder, row.to_arrow(), mode="append", commit_properties=told)
        found = [p for p in verify(attacked, capsys).problems if p not in known]
        if table == "predictions":
            with pytest.raises(ChangedPredictions, match="are not those that record"):
                prediction_row(attacked.platform, forged)
        DeltaTable(folder).restore(before.version())
        assert [p["where"] for p in found] == ["lake"]
        assert f"{TIMED}/{table}" in found[0]["what"]


def test_a_declaration_edited_after_training_has_no_champion_to_promote(attacked, instance):
    """What was approved was another declaration: the version of the new one does not exist until it is trained."""
    path = attacked.platform.project.defs / "models" / TIMED / "defs.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("Order in which reminders", "Refusal of customers, and order in which reminders"), encoding="utf-8"
    )
    try:
        result = run_job(attacked, instance, f"{TIMED}__release")
    finally:
        path.write_text(text, encoding="utf-8")
    assert not result.success
    assert "no version is registered under the present declaration" in failure_of(result, "approval")


def test_a_model_that_may_not_decide_scores_nothing(attacked, instance):
    result = run_job(
        attacked, instance, f"{REFUSED}__monitoring", partition_key=WINDOWS[0],
        asset_selection=[dg.AssetKey([REFUSED, "predictions"])],
    )  # fmt: skip
    assert not result.success
    assert "has no champion yet" in failure_of(result, "predictions")

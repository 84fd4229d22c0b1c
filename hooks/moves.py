"""Files and public names that moved, by release. `copier update` carries an owner's edits and imports along.

One line for each move, in paths of a rendered project:

    src/{package}/old.py -> src/{package}/new.py                a file; also of tests, docs and all else
    src/{package}/old/ -> src/{package}/new/                    a folder, with the owner's own files in it
    tests/a.py + tests/b.py -> tests/c.py                       files that became one
    src/{package}/old.py -> (gone)                              a file that nothing replaces
    {package}.old:Name -> {package}.new:Other                   a public name; its module is as it was called before
    {package}.old:Name -> {package}.extensions:Name             a name that agent/ has to import from `extensions`
"""

# ruff: noqa: E501 - a move is one line

from __future__ import annotations

from dataclasses import dataclass, field

MOVES = {
    "3.0.0": """
src/{package}/management/commands/rules.py -> devtools/agent_devtools/commands.py
src/{package}/management/dev.py -> devtools/agent_devtools/dev.py
src/{package}/management/embedded.py -> devtools/agent_devtools/dev_servers.py
tests/support/forkserver.py -> devtools/agent_devtools/forkserver.py
tests/support/shared.py -> devtools/agent_devtools/forkserver.py
src/{package}/management/generated.py -> devtools/agent_devtools/generated.py
src/{package}/management/interruption.py -> devtools/agent_devtools/procfile.py
tests/support/network_guard/sitecustomize.py -> devtools/agent_devtools/network_guard/sitecustomize.py
src/{package}/management/own_dashboard.py -> devtools/agent_devtools/own_dashboard.py
src/{package}/management/procfile.py -> devtools/agent_devtools/procfile.py
src/{package}/management/dev_process.py -> devtools/agent_devtools/procfile.py
tests/support/rules/__init__.py -> devtools/agent_devtools/rules/__init__.py
tests/support/rules/__main__.py -> devtools/agent_devtools/rules/report.py
tests/support/rules/catalogue.py -> devtools/agent_devtools/rules/project.py
tests/support/rules/changed.py -> devtools/agent_devtools/rules/run.py
tests/support/rules/exceptions.py -> devtools/agent_devtools/rules/check.py
tests/support/rules/check.py -> devtools/agent_devtools/rules/check.py
tests/support/rules/containers.py -> devtools/agent_devtools/rules/deployment.py
tests/support/rules/deployment.py -> devtools/agent_devtools/rules/deployment.py
tests/support/rules/installs.py -> devtools/agent_devtools/rules/dockerfile.py
tests/support/rules/dockerfile.py -> devtools/agent_devtools/rules/dockerfile.py
tests/support/rules/documents.py -> devtools/agent_devtools/rules/check.py
tests/support/rules/flow.py -> devtools/agent_devtools/rules/flow.py
tests/support/rules/values.py -> devtools/agent_devtools/rules/flow.py
tests/support/rules/gates.py -> devtools/agent_devtools/rules/pipelines.py
tests/support/rules/origins.py -> devtools/agent_devtools/rules/origins.py
tests/support/rules/commands_on_tables.py -> devtools/agent_devtools/rules/sql.py
tests/support/rules/belongings.py -> devtools/agent_devtools/rules/sql.py
tests/support/rules/pipelines.py -> devtools/agent_devtools/rules/pipelines.py
tests/support/rules/planting.py -> devtools/agent_devtools/rules/check.py
tests/support/rules/project.py -> devtools/agent_devtools/rules/project.py
tests/support/rules/explain.py -> devtools/agent_devtools/rules/report.py
tests/support/rules/report.py -> devtools/agent_devtools/rules/report.py
tests/support/rules/rights.py -> devtools/agent_devtools/rules/deployment.py
tests/support/rules/answers.py -> devtools/agent_devtools/rules/routes.py
tests/support/rules/protections.py -> devtools/agent_devtools/rules/routes.py
tests/support/rules/routes.py -> devtools/agent_devtools/rules/routes.py
tests/support/rules/beside.py -> devtools/agent_devtools/rules/run.py
tests/support/rules/run.py -> devtools/agent_devtools/rules/run.py
tests/support/rules/direct.py -> devtools/agent_devtools/rules/run.py
tests/support/rules/scopes.py -> devtools/agent_devtools/rules/scopes.py
tests/support/rules/addresses.py -> devtools/agent_devtools/rules/secrets.py
tests/support/rules/secrets.py -> devtools/agent_devtools/rules/secrets.py
tests/support/rules/sql.py -> devtools/agent_devtools/rules/sql.py
tests/support/rules/state.py -> devtools/agent_devtools/rules/state.py
tests/support/rules/written.py -> devtools/agent_devtools/rules/suite.py
tests/support/rules/strictness.py -> devtools/agent_devtools/rules/suite.py
tests/support/rules/through_pytest.py -> devtools/agent_devtools/rules/run.py
src/{package}/management/unprivileged.py -> devtools/agent_devtools/run_as.py
src/{package}/management/settings_reference.py -> devtools/agent_devtools/generated.py
src/{package}/management/template_status.py -> devtools/agent_devtools/commands.py
src/{package}/management/dev_welcome.py -> devtools/agent_devtools/dev.py
docs/deployment.md + docs/releases.md -> docs/deployment.md
docs/databases.md + docs/growth.md -> docs/databases.md
docs/observability.md + docs/logging.md + docs/monitoring.md -> docs/observability.md
docs/runbooks/README.md -> docs/runbooks.md
docs/runbooks/ErrorBudgetBurnsFast.md -> docs/runbooks.md
docs/runbooks/NoSuccessfulTurn.md -> docs/runbooks.md
docs/runbooks/ModelErrors.md -> docs/runbooks.md
docs/runbooks/BackingServiceDown.md -> docs/runbooks.md
docs/runbooks/WebDown.md -> docs/runbooks.md
docs/runbooks/WorkerDown.md -> docs/runbooks.md
docs/runbooks/ErrorBudgetBurnsSlowly.md -> docs/runbooks.md
docs/runbooks/RequestsSlow.md -> docs/runbooks.md
docs/runbooks/TurnsSlow.md -> docs/runbooks.md
docs/runbooks/QueueOld.md -> docs/runbooks.md
docs/runbooks/SchedulerMissed.md -> docs/runbooks.md
docs/runbooks/PoolExhausted.md -> docs/runbooks.md
docs/runbooks/ReplicaDown.md -> docs/runbooks.md
docs/runbooks/RestartLoop.md -> docs/runbooks.md
docs/runbooks/RateLimitUnavailable.md -> docs/runbooks.md
docs/runbooks/BudgetSpent.md -> docs/runbooks.md
docs/runbooks/AlertsUndelivered.md -> docs/runbooks.md
src/{package}/management/conversations.py -> src/{package}/chat/conversation_archive.py
src/{package}/chat/admin.py + src/{package}/chat/routes.py -> src/{package}/chat/routes.py
src/{package}/chat/models.py + src/{package}/chat/schemas.py + src/{package}/chat/conversation.py -> src/{package}/chat/models.py
src/{package}/chat/repository.py -> src/{package}/chat/session_store.py
src/{package}/chat/turns.py -> src/{package}/chat/supervisor.py
src/{package}/chat/leases.py -> src/{package}/chat/turn_store.py
src/{package}/project.py -> src/{package}/constants.py
src/{package}/health.py -> src/{package}/healthcheck.py
src/{package}/management/base.py -> src/{package}/management/base.py
src/{package}/management/accountability.py -> src/{package}/management/base.py
src/{package}/management/overview.py -> src/{package}/management/base.py
src/{package}/management/commands/doctor.py -> src/{package}/management/commands/checks.py
src/{package}/management/commands/config.py -> src/{package}/management/commands/checks.py
src/{package}/management/commands/token.py -> src/{package}/management/commands/owners.py
src/{package}/management/commands/key.py -> src/{package}/management/commands/owners.py
src/{package}/management/commands/budget.py -> src/{package}/management/commands/owners.py
src/{package}/management/commands/audit.py -> src/{package}/management/commands/reports.py
src/{package}/management/commands/report.py -> src/{package}/management/commands/reports.py
src/{package}/management/commands/transfer.py -> src/{package}/management/commands/data.py
src/{package}/management/commands/erase.py -> src/{package}/management/commands/data.py
src/{package}/management/examination.py -> src/{package}/management/diagnostics.py
src/{package}/management/migrations.py -> src/{package}/management/migrations.py
src/{package}/management/grants.py -> src/{package}/management/migrations.py
src/{package}/management/belongings.py -> src/{package}/management/personal_data.py
src/{package}/observability/requests.py -> src/{package}/observability/access_log.py
src/{package}/observability/health.py -> src/{package}/observability/health.py
src/{package}/observability/presence.py -> src/{package}/observability/health.py
src/{package}/observability/logging.py -> src/{package}/observability/logging.py
src/{package}/observability/redaction.py -> src/{package}/observability/logging.py
src/{package}/observability/operations.py -> src/{package}/observability/instrumentation.py
src/{package}/observability/scraping.py -> src/{package}/observability/health.py
src/{package}/observability/backlog.py -> src/{package}/observability/queue_metrics.py
src/{package}/observability/server.py -> src/{package}/processes/health_server.py
src/{package}/processes/protocol.py -> src/{package}/processes/http_protocol.py
src/{package}/processes/common.py -> src/{package}/processes/lifecycle.py
src/{package}/processes/turns.py -> src/{package}/processes/lifecycle.py
src/{package}/processes/__main__.py -> src/{package}/processes/__main__.py
src/{package}/processes/restart.py -> src/{package}/processes/__main__.py
src/{package}/security/keys.py -> src/{package}/security/api_keys.py
src/{package}/security/audit.py -> src/{package}/security/audit.py
src/{package}/security/refusals.py -> src/{package}/security/audit.py
src/{package}/security/tokens.py -> src/{package}/security/tokens.py
src/{package}/security/issuer.py -> src/{package}/security/tokens.py
src/{package}/security/authentication.py -> src/{package}/security/authentication.py
src/{package}/security/scrapers.py -> src/{package}/security/authentication.py
src/{package}/security/admission.py -> src/{package}/security/rate_limit.py
src/{package}/security/limits.py -> src/{package}/security/request_limits.py
src/{package}/guard.py -> src/{package}/security_settings.py
src/{package}/setting_types.py -> src/{package}/setting_types.py
src/{package}/addresses.py -> src/{package}/setting_types.py
src/{package}/valkey_address.py -> src/{package}/setting_types.py
src/{package}/proxies.py -> src/{package}/setting_types.py
src/{package}/services/gathering.py -> src/{package}/services/batching.py
src/{package}/services/implementations/model_client.py -> src/{package}/services/implementations/model_client.py
src/{package}/services/implementations/model_http.py -> src/{package}/services/implementations/model_client.py
src/{package}/services/implementations/model_messages.py -> src/{package}/services/implementations/model_messages.py
src/{package}/services/implementations/finish_reasons.py -> src/{package}/services/implementations/model_messages.py
src/{package}/services/implementations/model_provider.py -> src/{package}/services/implementations/model_provider.py
src/{package}/services/implementations/json_responses.py -> src/{package}/services/implementations/model_provider.py
src/{package}/services/implementations/model_dialect.py -> src/{package}/services/implementations/model_provider.py
src/{package}/services/implementations/postgres_connection.py -> src/{package}/services/implementations/postgres_connection.py
src/{package}/services/implementations/postgres_failures.py -> src/{package}/services/implementations/postgres_connection.py
src/{package}/services/implementations/postgres_pooler.py -> src/{package}/services/implementations/postgres_connection.py
src/{package}/services/implementations/storable.py -> src/{package}/services/implementations/model_text.py
src/{package}/services/implementations/reasoning.py -> src/{package}/services/implementations/model_text.py
src/{package}/services/implementations/toolbox.py -> src/{package}/services/implementations/toolbox.py
src/{package}/services/implementations/tool_calls.py -> src/{package}/services/implementations/toolbox.py
src/{package}/services/implementations/valkey.py -> src/{package}/services/implementations/valkey.py
src/{package}/services/implementations/valkey_faults.py -> src/{package}/services/implementations/valkey.py
src/{package}/listening.py -> src/{package}/sockets.py
src/{package}/correlation.py -> src/{package}/trace_context.py
tests/e2e/test_conversation.py -> tests/e2e/test_conversation.py
tests/e2e/test_extensions.py -> tests/e2e/test_conversation.py
tests/e2e/test_addresses.py -> tests/e2e/test_http.py
tests/e2e/test_slow_senders.py -> tests/e2e/test_http.py
tests/e2e/test_replicas.py -> tests/e2e/test_http.py
tests/e2e/test_docs.py -> tests/e2e/test_http.py
tests/e2e/test_smoke.py -> tests/e2e/test_http.py
tests/e2e/test_logs.py -> tests/e2e/test_logs.py
tests/e2e/test_log_collection.py -> tests/e2e/test_logs.py
tests/e2e/test_vitals.py -> tests/e2e/test_processes.py
tests/e2e/test_processes.py -> tests/e2e/test_processes.py
tests/unit/test_restart.py -> tests/e2e/test_processes.py
tests/integration/test_admin.py -> tests/integration/test_admin.py
tests/unit/test_conversations.py -> tests/integration/test_admin.py
tests/integration/test_chat_api.py -> tests/integration/test_chat_api.py
tests/integration/test_growth.py -> tests/integration/test_chat_api.py
tests/integration/test_silence.py -> tests/integration/test_database_failures.py
tests/integration/test_failover.py -> tests/integration/test_database_failures.py
tests/integration/test_embedded_servers.py -> tests/integration/test_dev_servers.py
tests/unit/test_tokens.py -> tests/integration/test_tokens.py
tests/integration/test_issuer.py -> tests/integration/test_tokens.py
tests/integration/test_model_dialects.py -> tests/integration/test_model_dialects.py
tests/unit/test_model_provider.py -> tests/integration/test_model_dialects.py
tests/integration/test_model_failures.py -> tests/integration/test_model_failures.py
tests/integration/test_language_model_errors.py -> tests/integration/test_model_failures.py
tests/integration/test_belongings.py -> tests/integration/test_personal_data.py
tests/integration/test_scheduler.py -> tests/integration/test_jobs.py
tests/unit/test_schedules.py -> tests/integration/test_jobs.py
tests/unit/test_suite.py -> tests/integration/test_suite.py
tests/integration/test_leftovers.py -> tests/integration/test_suite.py
tests/integration/test_fork_server.py -> tests/integration/test_suite.py
tests/integration/test_workers.py -> tests/integration/test_jobs.py
tests/integration/test_failed_jobs.py -> tests/integration/test_jobs.py
tests/integration/test_doctor.py -> tests/integration/test_diagnostics.py
tests/integration/test_unreachable.py -> tests/integration/test_diagnostics.py
tests/support/api.py -> tests/support/api.py
tests/support/app.py -> tests/support/api.py
tests/support/metrics.py -> tests/support/api.py
tests/support/databases.py -> tests/support/databases.py
tests/support/pgbouncer.py -> tests/support/databases.py
tests/support/leftovers.py -> tests/support/databases.py
tests/support/planted.py -> tests/support/fake_agent.py
tests/support/queue.py -> tests/support/fake_agent.py
tests/support/work.py -> tests/support/fake_agent.py
tests/support/worker.py -> tests/support/fake_agent.py
tests/support/model_server.py -> tests/support/model_server.py
tests/support/speaker.py -> tests/support/model_server.py
tests/support/addresses.py -> tests/support/proxies.py
tests/support/proxy.py -> tests/support/proxies.py
tests/e2e/test_tracing.py -> tests/e2e/test_tracing.py
tests/support/otlp.py -> tests/e2e/test_tracing.py
tests/unit/test_documentation.py -> tests/unit/test_documentation.py
tests/unit/test_metrics_table.py -> tests/unit/test_documentation.py
tests/unit/test_openapi.py -> tests/unit/test_documentation.py
tests/unit/test_vitals.py -> tests/unit/test_healthcheck.py
tests/unit/test_health.py -> tests/unit/test_healthcheck.py
tests/unit/test_offline_model.py -> tests/unit/test_language_model.py
tests/unit/test_reasoning.py -> tests/unit/test_language_model.py
tests/unit/test_conversation.py -> tests/unit/test_language_model.py
tests/unit/test_monitoring.py -> tests/unit/test_monitoring.py
tests/support/monitoring.py -> tests/unit/test_monitoring.py
tests/unit/test_prometheus_rule.py -> tests/unit/test_monitoring.py
tests/unit/test_dev_process.py -> tests/unit/test_reloader.py
tests/unit/test_config.py -> tests/unit/test_config.py
tests/unit/test_addresses.py -> tests/unit/test_config.py
deploy/prometheus/rules/recording.yml + deploy/prometheus/rules/alerts.yml -> deploy/prometheus/rules/alerts.yml
deploy/prometheus/tests/service.yml + deploy/prometheus/tests/agent.yml -> deploy/prometheus/tests/service.yml
deploy/logging/setup + deploy/logging/role.json + deploy/logging/data-view.json -> deploy/logging/setup
deploy/kubernetes/components/model/network.yaml -> deploy/kubernetes/components/model.yaml
deploy/kubernetes/components/stores/network.yaml -> deploy/kubernetes/components/stores.yaml
deploy/kubernetes/components/tracing/network.yaml -> deploy/kubernetes/components/tracing.yaml
deploy/kubernetes/components/monitoring/pods.yaml + deploy/kubernetes/components/monitoring/rules.yaml -> deploy/kubernetes/components/monitoring.yaml
deploy/kubernetes/components/model/kustomization.yaml + deploy/kubernetes/components/stores/kustomization.yaml -> (gone)
deploy/kubernetes/components/tracing/kustomization.yaml + deploy/kubernetes/components/monitoring/kustomization.yaml -> (gone)
deploy/kubernetes/base/migrate.yaml + deploy/kubernetes/base/smoke.yaml -> deploy/kubernetes/base/jobs.yaml
deploy/kubernetes/base/service-account.yaml + deploy/kubernetes/base/network.yaml -> deploy/kubernetes/base/access.yaml
src/{package}/management/commands/openapi.py -> (gone)
src/{package}/management/commands/sync.py -> (gone)
src/{package}/management/commands/template.py -> (gone)
src/{package}/docs.py -> (gone)
tests/unit/test_garbage.py -> (gone)
tests/support/conversations.py -> (gone)
tests/support/turns.py -> (gone)
{package}.management.accountability:record_act -> {package}.management.base:record_action
tests.support.rules.answers:tells_error -> agent_devtools.rules.routes:reveals_error
tests.support.rules.check:told -> agent_devtools.rules.check:describe
tests.support.rules.check:ROOT -> agent_devtools.rules.project:ROOT
{package}.management.embedded:EmbeddedServer -> agent_devtools.dev_servers:DevServer
{package}.management.embedded:EmbeddedServerError -> agent_devtools.dev_servers:DevServerError
{package}.management.commands.config:app -> {package}.management.commands.checks:config
{package}.management.commands.budget:app -> {package}.management.commands.owners:budgets
{package}.management.settings_reference:masked -> {package}.management.commands.checks:masked
{package}.management.settings_reference:MASK -> {package}.management.commands.checks:MASK
{package}.chat.budgets:Spending -> {package}.chat.models:Spending
{package}.chat.repository:ChatRepository -> {package}.chat.turn_store:TurnStore
{package}.chat.turns:Turns -> {package}.chat.supervisor:TurnSupervisor
{package}.services.interfaces:ModelUse -> {package}.services.interfaces:Usage
{package}.config:AdminSettings -> {package}.extensions:AdminSettings
{package}.config:Settings -> {package}.extensions:Settings
{package}.config:load -> {package}.extensions:load
{package}.management.base:CommandFailed -> {package}.extensions:CommandFailed
{package}.management.base:open_database -> {package}.extensions:open_database
{package}.problems:Problem -> {package}.extensions:Problem
{package}.security.authentication:Owner -> {package}.extensions:Owner
{package}.services.implementations.postgres:PostgresDatabase -> {package}.extensions:PostgresDatabase
{package}.services.interfaces:Database -> {package}.extensions:Database
{package}.services.interfaces:Executor -> {package}.extensions:Executor
{package}.services.interfaces:ServiceUnavailable -> {package}.extensions:ServiceUnavailable
{package}.services.interfaces:StatementTimeout -> {package}.extensions:StatementTimeout
{package}.services.interfaces:UniqueConflict -> {package}.extensions:UniqueConflict
{package}.services.outbound:OutboundRefused -> {package}.extensions:OutboundRefused
""",
}
GONE = "(gone)"


@dataclass
class Table:
    """The moves of one release, with the project's package in place of `{package}`."""

    files: dict[str, list[str]] = field(default_factory=dict)
    """The sources of each target. A source that ends in a slash is a folder."""
    gone: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    """`module:Name` before to `module:Name` now."""
    facade: dict[str, str] = field(default_factory=dict)
    """As `names`, for imports in agent/ only."""


def table(release: str, package: str) -> Table:
    """Read the moves of a release.

    ValueError: a line is not in one of the forms above, or something moves twice.
    """
    found = Table()
    for line in MOVES[release].replace("{package}", package).splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        left, arrow, target = (part.strip() for part in line.partition(" -> "))
        sources = [source.strip() for source in left.split("+")]
        if not arrow or not all(sources) or not target:
            raise ValueError(f"{release}: {line!r} is not a move.")
        if ":" in left:
            names = found.facade if target.startswith(f"{package}.extensions:") else found.names
            if names.setdefault(left, target) != target:
                raise ValueError(f"{release}: {left} moves twice.")
        elif target == GONE:
            found.gone += sources
        else:
            found.files.setdefault(target, []).extend(sources)
    moved = [*found.gone, *(source for sources in found.files.values() for source in sources)]
    if doubled := {source for source in moved if moved.count(source) > 1}:
        raise ValueError(f"{release}: {min(doubled)} moves twice.")
    return found

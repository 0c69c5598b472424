"""Switches telemetry on for one process."""

from importlib.metadata import PackageNotFoundError, version

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased

from chassis.manifest import Service
from chassis.settings import ServiceSettings
from chassis.telemetry.logs import configure_logs
from chassis.telemetry.traces import close_provider, use_provider


def configure(settings: ServiceSettings, service: Service) -> None:
    """Logs to stdout always; spans to the collector when one is named. Safe to call again."""
    configure_logs(service.name, settings.log_level)
    resource = Resource.create(
        {
            "service.name": f"packhouse-{service.name}",
            "service.version": service_version(service.name),
            "deployment.environment.name": settings.environment,
        }
    )
    if not settings.otlp_endpoint:
        use_provider(TracerProvider(sampler=ALWAYS_OFF, resource=resource, shutdown_on_exit=False), exports=False)
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    provider = TracerProvider(sampler=ParentBased(ALWAYS_ON), resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=f"{settings.otlp_endpoint.rstrip('/')}/v1/traces", timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=4096, max_export_batch_size=512))
    use_provider(provider)


def shut_down() -> None:
    """Send the spans that wait; at most a few seconds."""
    close_provider()


def service_version(name: str) -> str:
    """The version of the installed service package."""
    try:
        return version(f"packhouse-{name}")
    except PackageNotFoundError:
        return "0"

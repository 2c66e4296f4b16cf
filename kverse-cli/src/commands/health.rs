use kverse_core::{ComponentHealth, KvStore};
use kverse_store::wire::{CheckResponse, ReadyResponse};

use crate::exit::{Exit, Failure};
use crate::output::Output;

pub(crate) async fn run(store: &dyn KvStore, output: &mut Output) -> Result<Exit, Failure> {
    let components = store.check().await;
    // As the server's own /health has it: the store serves without the others.
    let is_healthy = components
        .iter()
        .all(|component| component.result.is_ok() || !component.required);
    let checks: Vec<_> = components.iter().map(response).collect();
    if output.is_json() {
        output.json(&ReadyResponse {
            status: status(is_healthy),
            checks,
        })?;
    } else {
        for check in checks {
            let detail = check.detail.map(|detail| format!(": {detail}"));
            output.line(&format!(
                "{}: {}{} ({:.1} ms)",
                check.name,
                check.status,
                detail.unwrap_or_default(),
                check.duration_ms
            ))?;
        }
    }
    Ok(if is_healthy {
        Exit::Done
    } else {
        Exit::Unavailable
    })
}

fn response(health: &ComponentHealth) -> CheckResponse {
    CheckResponse {
        name: health.name.to_string(),
        status: status(health.result.is_ok()),
        detail: health.result.as_ref().err().map(ToString::to_string),
        duration_ms: health.elapsed.as_secs_f64() * 1000.0,
    }
}

fn status(is_ok: bool) -> String {
    if is_ok { "ok" } else { "unavailable" }.to_owned()
}

//! The answer of `/readyz` as the health of components.

use std::time::Duration;

use kverse_core::{ComponentHealth, Error, ErrorKind};

use crate::wire::{CheckResponse, ReadyResponse};

const OK: &str = "ok";

/// The components that the server reports. One named `server` comes first if the server is not ready although all of them
/// work, as while it shuts down. Those that a ready server does without are not required.
pub(super) fn components(ready: ReadyResponse, elapsed: Duration) -> Vec<ComponentHealth> {
    let is_ready = ready.status == OK;
    let unexplained = !is_ready && ready.checks.iter().all(|check| check.status == OK);
    let server = unexplained.then(|| {
        let error = Error::new(ErrorKind::Unavailable, "the server is not ready");
        ComponentHealth::new("server", Err(error), elapsed)
    });
    let checks = ready.checks.into_iter().map(|check| {
        let component = component(check);
        let required = !is_ready || component.result.is_ok();
        component.with_required(required)
    });
    server.into_iter().chain(checks).collect()
}

fn component(check: CheckResponse) -> ComponentHealth {
    let result = if check.status == OK {
        Ok(())
    } else {
        let detail = check.detail.unwrap_or(check.status);
        Err(Error::new(ErrorKind::Unavailable, detail))
    };
    let elapsed = Duration::try_from_secs_f64(check.duration_ms / 1000.0).unwrap_or_default();
    ComponentHealth::new(check.name, result, elapsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, status: &str, detail: Option<&str>) -> CheckResponse {
        CheckResponse {
            name: name.to_owned(),
            status: status.to_owned(),
            detail: detail.map(str::to_owned),
            duration_ms: 1.5,
        }
    }

    #[test]
    fn each_check_is_a_component() {
        let ready = ReadyResponse {
            status: "unavailable".to_owned(),
            checks: vec![
                check("cache", "ok", None),
                check("database", "unavailable", Some("disk full")),
            ],
        };
        let found = components(ready, Duration::ZERO);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].name, "cache");
        assert!(found[0].result.is_ok());
        assert_eq!(found[0].elapsed, Duration::from_micros(1500));
        let error = found[1].result.as_ref().unwrap_err();
        assert_eq!(error.message(), "disk full");
    }

    #[test]
    fn what_a_ready_server_does_without_is_not_required() {
        let checks = || {
            vec![
                check("database", "ok", None),
                check("cache", "unavailable", Some("gone")),
            ]
        };
        let required = |status: &str| {
            let ready = ReadyResponse {
                status: status.to_owned(),
                checks: checks(),
            };
            let found = components(ready, Duration::ZERO);
            assert!(found[0].required && found[0].result.is_ok());
            assert!(found[1].result.is_err());
            found[1].required
        };
        assert!(!required("ok"));
        assert!(required("unavailable"));
    }

    #[test]
    fn a_server_that_is_not_ready_is_unhealthy_even_if_all_its_checks_pass() {
        let ready = ReadyResponse {
            status: "unavailable".to_owned(),
            checks: vec![check("database", "ok", None)],
        };
        let found = components(ready, Duration::ZERO);
        assert_eq!(found[0].name, "server");
        assert!(found[0].result.is_err());
    }
}

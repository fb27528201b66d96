//! The admin address: `/healthz`, `/readyz` and `/metrics`.

use std::sync::Arc;

use async_trait::async_trait;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use pingora_core::apps::http_app::ServeHttp;
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;

use crate::metrics::Metrics;
use crate::patience;
use crate::store::Store;

/// Prometheus' text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers on the admin address.
pub(crate) struct Admin {
    /// The proxy's counters.
    pub metrics: Arc<Metrics>,
    /// The store that is reported on.
    pub store: Store,
    /// Whether the process shuts down.
    pub shutdown: ShutdownWatch,
}

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        patience::head_is_next();
        let request = session.req_header();
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return answer(StatusCode::METHOD_NOT_ALLOWED, "GET only\n".into());
        }
        let head_only = request.method == Method::HEAD;
        let mut response = match request.uri.path() {
            "/healthz" => answer(StatusCode::OK, "ok\n".into()),
            "/readyz" => {
                let (status, body) = readiness(*self.shutdown.borrow(), self.store.stats().is_paused);
                answer(status, body.into())
            }
            "/metrics" => {
                let mut metrics = answer(StatusCode::OK, self.metrics.render(&self.store.stats()));
                metrics
                    .headers_mut()
                    .insert(CONTENT_TYPE, HeaderValue::from_static(METRICS_TYPE));
                metrics
            }
            _ => answer(
                StatusCode::NOT_FOUND,
                "try /healthz, /readyz or /metrics\n".into(),
            ),
        };
        if head_only {
            response.body_mut().clear();
        }
        response
    }
}

/// Whether requests should be sent here.
fn readiness(is_draining: bool, is_paused: bool) -> (StatusCode, &'static str) {
    match (is_draining, is_paused) {
        (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        (false, true) => (
            StatusCode::OK,
            "degraded: the cache directory cannot be written, nothing is stored\n",
        ),
        (false, false) => (StatusCode::OK, "ok\n"),
    }
}

fn answer(status: StatusCode, body: String) -> Response<Vec<u8>> {
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(body.into_bytes());
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response.headers_mut().insert(CONTENT_LENGTH, length);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_store_is_ready_and_what_drains_is_not() {
        for (is_draining, is_paused, status, says) in [
            (false, false, 200, "ok"),
            (false, true, 200, "degraded"),
            (true, false, 503, "draining"),
            (true, true, 503, "draining"),
        ] {
            let (code, body) = readiness(is_draining, is_paused);
            assert_eq!(code.as_u16(), status);
            assert!(body.starts_with(says), "{body}");
        }
    }
}

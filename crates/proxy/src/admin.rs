//! The admin address: `/healthz` and `/metrics`.

use std::sync::Arc;

use async_trait::async_trait;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use pingora_core::apps::http_app::ServeHttp;
use pingora_core::protocols::http::ServerSession;

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
            "/metrics" => {
                let mut metrics = answer(StatusCode::OK, self.metrics.render(&self.store.stats()));
                metrics
                    .headers_mut()
                    .insert(CONTENT_TYPE, HeaderValue::from_static(METRICS_TYPE));
                metrics
            }
            _ => answer(StatusCode::NOT_FOUND, "try /healthz or /metrics\n".into()),
        };
        if head_only {
            response.body_mut().clear();
        }
        response
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

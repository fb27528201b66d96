//! The proxy itself: pingora's filters, each of which asks the [policy](crate::policy) and does what it says.

mod answer;
mod exchange;
mod revalidation;
mod too_large;

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, DATE, HOST, IF_MATCH, IF_UNMODIFIED_SINCE, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{Method, StatusCode, Version};
use pingora_cache::key::HashBinary;
use pingora_cache::lock::{CacheKeyLockImpl, CacheLock};
use pingora_cache::{
    CacheKey, CacheMeta, CacheOptionOverrides, ForcedFreshness, HitHandler, NoCacheReason, RespCacheable,
    VarianceBuilder,
};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorSource, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, PurgeStatus, Session};

pub use self::exchange::Exchange;
use self::too_large::TooLarge;
use crate::flags::Config;
use crate::metrics::Metrics;
use crate::policy::cache_status::Forward;
use crate::policy::directives::Directives;
use crate::policy::request::{self, Use};
use crate::policy::stale::{self, Failure};
use crate::policy::target::Target;
use crate::policy::vary::{self, Vary};
use crate::policy::{fields, freshness, invalidation};
use crate::purge;
use crate::store::Store;

/// How long requests wait for the head of another one's response to the same URL before they ask the origin too.
const LOCK_WAIT: Duration = Duration::from_secs(30);
/// How long a client may take to send, or to take, the next bytes.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(60);

/// A caching reverse proxy for one origin.
pub struct CachingProxy {
    config: Config,
    settings: freshness::Settings,
    store: Store,
    metrics: Arc<Metrics>,
    lock: &'static CacheKeyLockImpl,
    too_large: &'static TooLarge,
}

impl CachingProxy {
    /// A proxy over a store.
    pub fn new(config: Config, store: Store, metrics: Arc<Metrics>) -> Self {
        let settings = freshness::Settings {
            stale_if_unreachable_secs: config.stale_if_unreachable_secs,
            ..freshness::Settings::default()
        };
        // pingora takes both as `'static`; there is one proxy in a process.
        let lock = Box::leak(CacheLock::new_boxed(LOCK_WAIT));
        let too_large = Box::leak(Box::new(TooLarge::new()));
        Self {
            config,
            settings,
            store,
            metrics,
            lock,
            too_large,
        }
    }

    fn target(&self, request: &RequestHeader) -> Target {
        let default_host = &self.config.origin.authority;
        Target::of(&request.uri, request.raw_path(), &request.headers, default_host)
    }
}

#[async_trait]
impl ProxyHttp for CachingProxy {
    type CTX = Exchange;

    fn new_ctx(&self) -> Exchange {
        Exchange::new(self.metrics.clone())
    }

    async fn request_filter(&self, session: &mut Session, exchange: &mut Exchange) -> Result<bool> {
        let request = session.req_header();
        let (method, version) = (request.method.clone(), request.version);
        // A background revalidation asks for itself: what its client demanded does not bind it.
        exchange.is_background = session.as_downstream().is_subrequest();
        if !exchange.is_background {
            exchange.demands = Directives::of_request(&request.headers);
        }
        let downstream = session.as_downstream_mut();
        downstream.set_read_timeout(Some(CLIENT_TIMEOUT));
        downstream.set_write_timeout(Some(CLIENT_TIMEOUT));
        if version < Version::HTTP_11 {
            downstream.set_ignore_info_resp(true); // HTTP/1.0 knows no interim responses
        }
        if method == Method::CONNECT {
            answer::send(
                session,
                StatusCode::METHOD_NOT_ALLOWED,
                exchange.own_answer("no-tunnels"),
            )
            .await?;
            return Ok(true);
        }
        if purge::is_purge(&method) {
            let client = session
                .client_addr()
                .and_then(|address| address.as_inet())
                .map(|a| a.ip());
            if !purge::is_allowed(client, &self.config.purge_networks) {
                answer::send(
                    session,
                    StatusCode::FORBIDDEN,
                    exchange.own_answer("purge-not-allowed"),
                )
                .await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn request_cache_filter(&self, session: &mut Session, exchange: &mut Exchange) -> Result<()> {
        let request = session.req_header();
        if purge::is_purge(&request.method) {
            session.cache.enable(self.store.storage, None, None, None, None);
            return Ok(());
        }
        if !matches!(request.method, Method::GET | Method::HEAD) {
            exchange.forward = Some(Forward::Method);
            return Ok(());
        }
        if is_not_for_cache(request) {
            exchange.forward = Some(Forward::Bypass);
            return Ok(());
        }
        let mut overrides = CacheOptionOverrides::default();
        overrides.wait_timeout = Some(LOCK_WAIT);
        // No eviction manager: the storage keeps its capacity itself.
        let (storage, lock) = (self.store.storage, self.lock);
        session
            .cache
            .enable(storage, None, Some(self.too_large), Some(lock), Some(overrides));
        session
            .cache
            .set_max_file_size_bytes(self.config.max_object_bytes);
        Ok(())
    }

    fn cache_key_callback(&self, session: &Session, _: &mut Exchange) -> Result<CacheKey> {
        Ok(purge::key(&self.target(session.req_header())))
    }

    async fn cache_hit_filter(
        &self,
        _: &mut Session,
        meta: &CacheMeta,
        _: &mut HitHandler,
        is_fresh: bool,
        exchange: &mut Exchange,
    ) -> Result<Option<ForcedFreshness>> {
        let stored = exchange.stored(meta, is_fresh, SystemTime::now());
        let (forward, forced) = match request::judge(&exchange.demands, &stored) {
            Use::ByFreshness if is_fresh => (None, None),
            Use::ByFreshness => (Some(Forward::Stale), None),
            Use::AlthoughStale => (None, Some(ForcedFreshness::ForceFresh)),
            Use::Revalidate if is_fresh => (Some(Forward::Request), Some(ForcedFreshness::ForceExpired)),
            Use::Revalidate => (Some(Forward::Stale), Some(ForcedFreshness::ForceExpired)),
        };
        exchange.forward = forward;
        Ok(forced)
    }

    /// A HEAD that finds nothing goes to the origin as a HEAD and fills nothing: pingora would turn it into a GET and
    /// fetch a body that nobody asked for. A client's `no-store` fills nothing either.
    fn cache_miss(&self, session: &mut Session, exchange: &mut Exchange) {
        let bypassed = session.cache.bypassing();
        exchange.forward = Some(if bypassed { Forward::Bypass } else { Forward::Miss });
        if session.req_header().method == Method::HEAD || exchange.demands.no_store {
            session.cache.disable(NoCacheReason::Deferred);
        } else {
            session.cache.cache_miss();
        }
    }

    async fn proxy_upstream_filter(&self, session: &mut Session, exchange: &mut Exchange) -> Result<bool> {
        if exchange.demands.only_if_cached {
            answer::send(
                session,
                StatusCode::GATEWAY_TIMEOUT,
                exchange.own_answer("only-if-cached"),
            )
            .await?;
            return Ok(false);
        }
        if exchange.demands.no_store && session.cache.enabled() {
            session.cache.disable(NoCacheReason::Deferred);
        }
        Ok(true)
    }

    async fn upstream_peer(&self, _: &mut Session, exchange: &mut Exchange) -> Result<Box<HttpPeer>> {
        let addresses = &self.config.origin.addresses;
        let address = addresses[exchange.attempts % addresses.len()];
        let mut peer = HttpPeer::new(address, false, String::new());
        peer.options.connection_timeout = Some(self.config.connect_timeout);
        peer.options.total_connection_timeout = Some(self.config.connect_timeout);
        peer.options.read_timeout = Some(self.config.read_timeout);
        peer.options.write_timeout = Some(self.config.read_timeout);
        Ok(Box::new(peer))
    }

    fn fail_to_connect(
        &self,
        _: &mut Session,
        _: &HttpPeer,
        exchange: &mut Exchange,
        mut e: Box<Error>,
    ) -> Box<Error> {
        // A name such as localhost has several addresses, of which the origin may listen on one.
        exchange.attempts += 1;
        e.set_retry(exchange.attempts < self.config.origin.addresses.len());
        e
    }

    async fn upstream_request_filter(
        &self,
        _: &mut Session,
        request: &mut RequestHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        exchange.request_time = SystemTime::now();
        if !request.headers.contains_key(HOST) {
            request.insert_header(HOST, self.config.origin.authority.as_str())?;
        }
        request.append_header(VIA, "1.1 forebay")?;
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        if response.status.is_informational() && response.status != StatusCode::SWITCHING_PROTOCOLS {
            pass_on_interim(session, response).await;
            return Ok(());
        }
        exchange.response_time = SystemTime::now();
        exchange.forward_status = Some(response.status);
        if !response.headers.contains_key(DATE) {
            response.insert_header(DATE, httpdate::fmt_http_date(exchange.response_time))?;
        }
        if response.status != StatusCode::SWITCHING_PROTOCOLS {
            for name in fields::unforwardable(&response.headers) {
                response.remove_header(&name);
            }
        }
        if response.status == StatusCode::NOT_MODIFIED {
            exchange.refreshed = revalidation::merge(session.cache.maybe_cache_meta(), response)?;
        }
        let request = session.req_header();
        let target = self.target(request);
        for void in invalidation::targets(&request.method, &target, response.status, &response.headers) {
            purge::invalidate(self.store.storage, &void).await;
        }
        Ok(())
    }

    fn response_cache_filter(
        &self,
        session: &Session,
        response: &ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<RespCacheable> {
        // After a 304 pingora hands over the stored head with five fields merged; all of them are in ours.
        let refreshed = exchange
            .refreshed
            .as_ref()
            .map(|refreshed| refreshed.head.clone());
        let mut head = refreshed.unwrap_or_else(|| response.clone());
        if exchange
            .refreshed
            .as_ref()
            .is_some_and(|refreshed| refreshed.is_of_another)
        {
            return Ok(exchange.refuse("validator-mismatch"));
        }
        let decision = freshness::decide(
            &freshness::Exchange {
                status: head.status,
                headers: &head.headers,
                authorized: session.req_header().headers.contains_key(AUTHORIZATION),
                request_time: exchange.request_time,
                response_time: exchange.response_time,
            },
            &self.settings,
        );
        let terms = match decision {
            Ok(terms) => terms,
            Err(refusal) => return Ok(exchange.refuse(refusal.as_str())),
        };
        for name in fields::unstorable(&head.headers) {
            head.remove_header(&name);
        }
        let fresh_until = terms.fresh_until(exchange.response_time);
        let epoch = terms.epoch(exchange.response_time);
        exchange.withhold(&mut head, terms.withheld);
        let mut meta = CacheMeta::new(
            fresh_until,
            exchange.response_time,
            terms.stale_while_revalidate_secs,
            terms.stale_if_error_secs,
            head,
        );
        meta.set_epoch_override(epoch);
        Ok(RespCacheable::Cacheable(meta))
    }

    fn cache_vary_filter(
        &self,
        meta: &CacheMeta,
        _: &mut Exchange,
        request: &RequestHeader,
    ) -> Option<HashBinary> {
        let Vary::Fields(names) = Vary::of(meta.headers()) else {
            return None;
        };
        let mut variance = VarianceBuilder::new();
        for name in &names {
            variance.add_owned_value(name.as_str(), vary::selecting_value(&request.headers, name));
        }
        variance.finalize()
    }

    fn should_serve_stale(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        error: Option<&Error>,
    ) -> bool {
        let Some(error) = error else {
            return !request::refuses_stale(&exchange.demands);
        };
        let Some(meta) = session.cache.maybe_cache_meta() else {
            return false;
        };
        let failure = failure(error);
        let entry = Directives::of_response(meta.headers());
        let stands_in = stale::may_stand_in(failure, &entry, &exchange.demands);
        if stands_in {
            match failure {
                Failure::Status(code) => exchange.forward_status = StatusCode::from_u16(code).ok(),
                // pingora closes the connection after this answer, whose head would promise to keep it.
                _ => session.set_keepalive(None),
            }
        }
        stands_in
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        if response.status.is_informational() && response.status != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(());
        }
        answer::complete(session, response, exchange)
    }

    async fn fail_to_proxy(&self, session: &mut Session, e: &Error, exchange: &mut Exchange) -> FailToProxy {
        let code = error_code(e, exchange);
        if code > 0 {
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            if let Err(e) = answer::send(session, status, exchange.failed_answer()).await {
                log::debug!("the client did not take the error response: {e}");
            }
        }
        FailToProxy {
            error_code: code,
            can_reuse_downstream: false,
        }
    }

    fn is_purge(&self, session: &Session, _: &Exchange) -> bool {
        purge::is_purge(&session.req_header().method)
    }

    fn purge_response_filter(
        &self,
        _: &Session,
        exchange: &mut Exchange,
        status: PurgeStatus,
        response: &mut std::borrow::Cow<'static, ResponseHeader>,
    ) -> Result<()> {
        if matches!(status, PurgeStatus::Found) {
            self.metrics.purges.add(1);
        }
        let detail = match status {
            PurgeStatus::Found => "purged",
            PurgeStatus::NotFound => "nothing-stored",
            PurgeStatus::NoCache | PurgeStatus::Error(_) => "purge-failed",
        };
        answer::label(response.to_mut(), exchange.own_answer(detail))
    }

    async fn logging(&self, session: &mut Session, e: Option<&Error>, exchange: &mut Exchange) {
        let bytes = session.as_downstream().body_bytes_sent() as u64;
        exchange.count(&self.metrics, e, bytes);
        if self.config.access_log && !exchange.is_background {
            let request = session.req_header();
            let status = session
                .response_written()
                .map_or(0, |response| response.status.as_u16());
            let client = session
                .client_addr()
                .map_or_else(|| "-".to_owned(), ToString::to_string);
            let (method, target) = (&request.method, self.target(request));
            let label = exchange.label.as_deref().unwrap_or("-");
            // A log that cannot be written must not end the request.
            let _ = writeln!(
                std::io::stdout(),
                "{client} {method} {target} {status} {bytes} {label}"
            );
        }
    }

    fn suppress_error_log(&self, _: &Session, _: &Exchange, error: &Error) -> bool {
        // A client that leaves is no problem of ours.
        *error.esource() == ErrorSource::Downstream
    }

    fn suppress_proxy_warn_log(
        &self,
        _: &Session,
        _: &Exchange,
        _: &Error,
        context: ProxyWarnLogContext,
    ) -> bool {
        matches!(context, ProxyWarnLogContext::DownstreamCache)
    }
}

/// Requests that need the origin itself: upgrades, preconditions that only it can evaluate, and bodies, which are no
/// part of the key.
fn is_not_for_cache(request: &RequestHeader) -> bool {
    let headers = &request.headers;
    let has_body = headers.contains_key(TRANSFER_ENCODING)
        || headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0");
    has_body
        || [UPGRADE, IF_MATCH, IF_UNMODIFIED_SINCE]
            .iter()
            .any(|name| headers.contains_key(name))
}

/// Passes an interim response on at once.
///
/// pingora gathers what has arrived from the origin, and where a cacheable head is among it, drops the whole gathering
/// in favour of the stored head: an interim response ahead of it would be lost. So it is written here, and pingora's
/// own attempt, should it come, is told to be ignored. A 100 belongs to requests with bodies, which are not cached.
async fn pass_on_interim(session: &mut Session, response: &ResponseHeader) {
    let is_http_11 = session.req_header().version >= Version::HTTP_11;
    if response.status == StatusCode::CONTINUE || !is_http_11 || session.as_downstream().is_subrequest() {
        return;
    }
    let downstream = session.as_downstream_mut();
    downstream.set_ignore_info_resp(false);
    if let Err(e) = downstream.write_response_header(Box::new(response.clone())).await {
        log::debug!("the client did not take the interim response: {e}");
    }
    downstream.set_ignore_info_resp(true);
}

fn failure(error: &Error) -> Failure {
    use ErrorType::*;
    match error.etype() {
        HTTPStatus(code) => Failure::Status(*code),
        ConnectTimedout | ConnectRefused | ConnectNoRoute | ConnectError | ConnectProxyFailure
        | ConnectionClosed | ReadError | WriteError | ReadTimedout | WriteTimedout
            if *error.esource() == ErrorSource::Upstream =>
        {
            Failure::Unreachable
        }
        _ => Failure::Other,
    }
}

/// The status that tells a client of an error, 0 where there is no client left to tell.
fn error_code(error: &Error, exchange: &Exchange) -> u16 {
    use ErrorType::*;
    match (error.esource(), error.etype()) {
        (_, HTTPStatus(code)) => *code,
        (ErrorSource::Upstream, ConnectTimedout | ReadTimedout | WriteTimedout) => 504,
        // What is stored may not be served stale, and cannot be validated (RFC 9111, section 5.2.2.2).
        (ErrorSource::Upstream, _) if exchange.forward == Some(Forward::Stale) => 504,
        (ErrorSource::Upstream, _) => 502,
        (ErrorSource::Downstream, WriteError | ReadError | ConnectionClosed) => 0,
        (ErrorSource::Downstream, _) => 400,
        (ErrorSource::Internal | ErrorSource::Unset, _) => 500,
    }
}

//! The proxy itself: pingora's filters, each of which asks the [policy](crate::policy) and does what it says.

mod age;
mod answer;
mod arrival;
mod cache;
mod exchange;
mod failure;
mod interim;
mod limited;
mod log_line;
mod never_stored;
mod revalidation;
mod storing;
mod too_large;
mod upstream;

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use http::header::CONTENT_LENGTH;
use http::{Method, StatusCode};
use pingora_cache::key::HashBinary;
use pingora_cache::{
    CacheKey, CacheMeta, CachePhase, ForcedFreshness, HitHandler, NoCacheReason, RespCacheable, Storage,
};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorSource, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, PurgeStatus, RangeType, Session};

use self::cache::Cache;
pub(crate) use self::exchange::Exchange;
use crate::access_log::AccessLog;
use crate::flags::Config;
use crate::metrics::Metrics;
use crate::policy::cache_status::Forward;
use crate::policy::directives::Directives;
use crate::policy::freshness::{self, Refusal};
use crate::policy::invalidation;
use crate::policy::request::{self, Use};
use crate::policy::target::Target;
use crate::{patience, purge};

/// A caching reverse proxy for one origin.
pub(crate) struct CachingProxy {
    config: Config,
    settings: freshness::Settings,
    cache: Cache,
    metrics: Arc<Metrics>,
    access_log: Option<Arc<AccessLog>>,
}

impl CachingProxy {
    /// A proxy over a storage.
    pub(crate) fn new(
        config: Config,
        storage: &'static (dyn Storage + Sync),
        metrics: Arc<Metrics>,
        access_log: Option<Arc<AccessLog>>,
    ) -> Self {
        let settings = freshness::Settings {
            stale_if_unreachable_secs: config.stale_if_unreachable_secs,
            ..freshness::Settings::default()
        };
        Self {
            settings,
            cache: Cache::new(storage, config.max_object_bytes),
            config,
            metrics,
            access_log,
        }
    }

    fn target(&self, request: &RequestHeader) -> Target {
        let default_host = &self.config.origin.authority;
        Target::of(request.raw_path(), &request.headers, default_host)
    }
}

#[async_trait]
impl ProxyHttp for CachingProxy {
    type CTX = Exchange;

    fn new_ctx(&self) -> Exchange {
        Exchange::new(self.metrics.clone())
    }

    async fn request_filter(&self, session: &mut Session, exchange: &mut Exchange) -> Result<bool> {
        patience::head_came();
        arrival::set_limits(session, &self.config);
        // Before anything is taken away: a PURGE is judged by all that came.
        let refusal = arrival::refusal(session, &self.config);
        let request = session.req_header_mut();
        arrival::strip(request);
        let refusal = match refusal {
            None => arrival::aim(request)?,
            refusal => refusal,
        };
        // A background revalidation asks for itself: what its client demanded does not bind it.
        exchange.is_background = session.as_downstream().is_subrequest();
        if !exchange.is_background {
            exchange.demands = Directives::of_request(&session.req_header().headers);
        }
        match refusal {
            None => Ok(false),
            Some(refusal) => {
                let label = exchange.own_answer(refusal.detail);
                answer::send(session, refusal.status, refusal.says, label).await?;
                Ok(true)
            }
        }
    }

    fn request_cache_filter(&self, session: &mut Session, exchange: &mut Exchange) -> Result<()> {
        let request = session.req_header();
        if purge::is_purge(&request.method) {
            let key = exchange.key.insert(purge::key(&self.target(request)));
            self.cache.enable_to_purge(session, key);
            return Ok(());
        }
        if !matches!(request.method, Method::GET | Method::HEAD) {
            exchange.forward = Some(Forward::Method);
            return Ok(());
        }
        if storing::is_not_for_cache(request) {
            exchange.forward = Some(Forward::Bypass);
            return Ok(());
        }
        self.cache.enable(session);
        // What is of unknown length is judged at its end; but a URL that passes by for its size comes back only with a body that
        // would be stored.
        let key = purge::key(&self.target(session.req_header()));
        let limit = match self.cache.is_too_large(&key) {
            true => self.config.max_object_bytes,
            false => self.config.store.body_bytes_max,
        };
        exchange.key = Some(key);
        session.cache.set_max_file_size_bytes(limit);
        Ok(())
    }

    fn cache_key_callback(&self, session: &Session, exchange: &mut Exchange) -> Result<CacheKey> {
        let key = || purge::key(&self.target(session.req_header()));
        Ok(exchange.key.take().unwrap_or_else(key))
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

    fn range_header_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        _: &mut Exchange,
    ) -> RangeType {
        answer::part(session.req_header(), response)
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
                "",
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
        Ok(Box::new(upstream::peer(&self.config, exchange)))
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
        let addresses = exchange.addresses.as_ref().map_or(0, |addresses| addresses.len());
        e.set_retry(exchange.attempts < addresses);
        e
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        upstream::prepare(request, exchange, &self.target(session.req_header()))
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        if interim::is_interim(response) {
            interim::pass_on(session, response).await;
            return Ok(());
        }
        upstream::receive(response, exchange)?;
        if session.cache.enabled() && !response.headers.contains_key(CONTENT_LENGTH) {
            // pingora would cut it where it outgrows the limit; the storage carries it to its end, and does not keep it.
            session.cache.set_max_file_size_bytes(usize::MAX);
        }
        if response.status == StatusCode::NOT_MODIFIED {
            exchange.refreshed = revalidation::merge(session.cache.maybe_cache_meta(), response)?;
        }
        let request = session.req_header();
        let target = self.target(request);
        for void in invalidation::targets(&request.method, &target, response.status, &response.headers) {
            purge::invalidate(self.cache.storage, &void).await;
        }
        Ok(())
    }

    fn response_cache_filter(
        &self,
        session: &Session,
        response: &ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<RespCacheable> {
        let (request, settings) = (session.req_header(), &self.settings);
        let max_bytes = self.config.max_object_bytes;
        let decision = storing::decide(request, response, exchange, settings, max_bytes);
        if let Some(whole) = storing::whole_is_stored(request, response, exchange, settings) {
            exchange.refusal = whole.err().map(Refusal::as_str).or(exchange.refusal);
            self.cache.remember(session, whole);
        }
        let is_refused = matches!(decision, RespCacheable::Uncacheable(_));
        let was_stored = session.cache.phase() == CachePhase::Stale;
        if is_refused && was_stored && storing::supersedes(request, response, exchange) {
            session
                .cache
                .spawn_async_purge("the origin has something else, which is not stored");
        }
        Ok(decision)
    }

    fn cache_vary_filter(
        &self,
        meta: &CacheMeta,
        _: &mut Exchange,
        request: &RequestHeader,
    ) -> Option<HashBinary> {
        storing::variance(meta, request)
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
        failure::has_substitute(error, session, exchange)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        if interim::is_interim(response) {
            return Ok(());
        }
        answer::complete(session, response, exchange)
    }

    async fn fail_to_proxy(&self, session: &mut Session, e: &Error, exchange: &mut Exchange) -> FailToProxy {
        let code = failure::status(e, exchange);
        if code > 0 {
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            if let Err(e) = answer::send(session, status, "", exchange.failed_answer()).await {
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
        let response = response.to_mut();
        if matches!(status, PurgeStatus::Error(_)) {
            response.set_status(StatusCode::SERVICE_UNAVAILABLE)?; // a store that is not there yet, or whose disk fails
        }
        answer::label(response, exchange.own_answer(detail))
    }

    async fn logging(&self, session: &mut Session, e: Option<&Error>, exchange: &mut Exchange) {
        let bytes = session.as_downstream().body_bytes_sent() as u64;
        exchange.count(&self.metrics, e, bytes);
        if let Some(log) = self.access_log.as_ref().filter(|_| !exchange.is_background) {
            let target = self.target(session.req_header());
            log.put(log_line::of(session, exchange, &target, bytes));
        }
        patience::head_is_next();
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

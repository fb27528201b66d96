//! Runs the proxy: binds before anything else, accepts, and drains at SIGTERM.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use log::{error, warn};
use pingora_core::apps::{HttpServerOptions, ServerApp};
use pingora_core::server::ShutdownWatch;
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::http_proxy;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::access_log::AccessLog;
use crate::admin::Admin;
use crate::connection::Listener;
use crate::flags::{Config, StoreConfig};
use crate::metrics::Metrics;
use crate::open_files;
use crate::proxy::CachingProxy;
use crate::store::Store;

/// How long to wait after a failed accept, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often a drain looks whether all requests have ended.
const DRAIN_LOOK: Duration = Duration::from_millis(10);
/// How long to wait at the end for a reader of the access log.
const LOG_PATIENCE: Duration = Duration::from_secs(1);

/// Serves until SIGTERM or SIGINT, then drains and closes the store. The process's limit of open files is raised to what the
/// system lets it have.
///
/// pingora's own `Server` is not used: it binds where a failure can only panic, never tells which port it got, and at
/// SIGTERM sleeps through its whole grace period, whether or not a request is open.
///
/// # Errors
/// One line that says what could not be opened or bound.
pub fn run(config: Config) -> Result<(), String> {
    run_with(config, Store::open)
}

/// As [`run`], over a store of the caller's, which is opened once the addresses are bound.
///
/// # Errors
/// As [`run`].
pub fn run_with(
    config: Config,
    open: impl FnOnce(&StoreConfig) -> Result<Store, String>,
) -> Result<(), String> {
    open_files::raise_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.threads)
        .enable_all()
        .build()
        .map_err(|e| format!("cannot start {} threads ({e})", config.threads))?;
    let served = runtime.block_on(serve(config, open));
    // Requests that outlived the grace period end here, before the store is closed under them.
    runtime.shutdown_timeout(Duration::from_secs(1));
    let (store, access_log) = served?;
    if let Some(log) = access_log {
        log.flush(LOG_PATIENCE);
    }
    store.close();
    Ok(())
}

async fn serve(
    config: Config,
    open: impl FnOnce(&StoreConfig) -> Result<Store, String>,
) -> Result<(Store, Option<Arc<AccessLog>>), String> {
    let limit = config.client_timeout;
    let listener = bind("--listen", config.listen, limit).await?;
    let address = listener
        .local_addr()
        .map_err(|e| format!("--listen {}: {e}", config.listen))?;
    let admin_listener = match config.admin {
        Some(admin) => Some(bind("--admin", admin, limit).await?),
        None => None,
    };
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| format!("no SIGTERM ({e})"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| format!("no SIGINT ({e})"))?;
    let store = open(&config.store)?;
    let metrics = Arc::new(Metrics::default());
    let (shut_down, shutdown) = watch::channel(false);
    // It goes on telling while requests are drained.
    let (_until_the_end, admin_shutdown) = watch::channel(false);

    let access_log = match config.access_log {
        true => Some(Arc::new(AccessLog::to(std::io::stdout(), metrics.clone())?)),
        false => None,
    };

    let mut announcement = format!("forebay-proxy listening on {address}");
    if let Some(listener) = admin_listener {
        let address = listener.local_addr().map_err(|e| format!("--admin: {e}"))?;
        announcement.push_str(&format!(", admin on {address}"));
        let admin = Arc::new(Admin {
            metrics: metrics.clone(),
            store: store.clone(),
            shutdown: shutdown.clone(),
        });
        tokio::spawn(accept(listener, admin, admin_shutdown));
    }
    let conf = Arc::new(ServerConf {
        threads: config.threads,
        ..ServerConf::default()
    });
    let grace = config.grace;
    if let Some(interval) = config.resolve_interval {
        tokio::spawn(config.origin.clone().follow(interval));
    }
    let proxy = CachingProxy::new(config, store.storage, metrics.clone(), access_log.clone());
    let mut proxy = http_proxy(&conf, proxy);
    // Not to tunnel, but to refuse with a `Cache-Status`; pingora's own refusal has none.
    proxy.server_options = Some(connect_reaches_the_proxy());
    let accepting = tokio::spawn(accept(listener, Arc::new(proxy), shutdown));
    // The socket takes connections since `bind`; whoever waits for this line can connect.
    eprintln!("{announcement}");

    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    // Fails only without receivers, and then nobody accepts any more.
    let _ = shut_down.send(true);
    if accepting.await.is_err() {
        error!("the accepting task ended badly");
    }
    tokio::select! {
        () = drain(&metrics, grace) => {}
        // Whoever asks twice will not wait.
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok((store, access_log))
}

fn connect_reaches_the_proxy() -> HttpServerOptions {
    let mut options = HttpServerOptions::default();
    options.allow_connect_method_proxying = true;
    options
}

async fn bind(flag: &str, address: SocketAddr, limit: Duration) -> Result<Listener, String> {
    TcpListener::bind(address)
        .await
        .map(|listener| Listener::new(listener, limit))
        .map_err(|e| format!("{flag} {address}: cannot listen there ({e})"))
}

/// Accepts until shutdown; then lets the application wake its idle connections and returns.
async fn accept<A>(listener: Listener, app: Arc<A>, mut shutdown: ShutdownWatch)
where
    A: ServerApp + Send + Sync + 'static,
{
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = shutdown.changed() => break,
        };
        match accepted {
            Ok(client) => {
                let (app, shutdown) = (app.clone(), shutdown.clone());
                tokio::spawn(async move {
                    let (stream, heads) = client.into_stream();
                    let serving = async {
                        let mut next = Some(stream);
                        while let Some(stream) = next {
                            next = app.process_new(stream, &shutdown).await;
                        }
                    };
                    heads.serve(serving).await;
                });
            }
            Err(e) => {
                warn!("cannot accept a connection: {e}{}", open_files::advice(&e));
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    app.cleanup().await;
}

/// Waits until no request is open, at most as long as the grace period.
async fn drain(metrics: &Metrics, grace: Duration) {
    let all_ended = async {
        // One look may see the end of a request, and not its beginning; a second one does not.
        let mut looks = 0;
        while looks < 2 {
            looks = if metrics.open_requests.get() > 0 {
                0
            } else {
                looks + 1
            };
            tokio::time::sleep(DRAIN_LOOK).await;
        }
    };
    if tokio::time::timeout(grace, all_ended).await.is_err() {
        warn!(
            "{} requests were still open after {grace:?} and were cut",
            metrics.open_requests.get()
        );
    }
}

//! What the port answers with, and without a port.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use tokio::sync::watch;
use tower_service::Service as _;

use crate::app::App;
use crate::options::DashboardOptions;
use crate::places::Places;
use crate::whole_change::whole_change;
use crate::{Lifecycle, api, asset, failure, guard, health, history, login, metrics, pages};

/// The answers of a dashboard, for requests that came in some other way than by its port. Clones
/// are the same dashboard.
#[derive(Clone, Debug)]
pub struct Answers {
    app: Arc<App>,
    pub(crate) router: Router,
}

impl Answers {
    /// A dashboard that nobody can call yet.
    #[must_use]
    pub fn new(options: DashboardOptions, lifecycle: watch::Receiver<Lifecycle>) -> Self {
        Self::with_places(options, lifecycle, Places::default())
    }

    pub(crate) fn with_places(
        options: DashboardOptions,
        lifecycle: watch::Receiver<Lifecycle>,
        places: Places,
    ) -> Self {
        let app = Arc::new(App::new(options, lifecycle, places));
        Self { router: router(Arc::clone(&app)), app }
    }

    /// What the port answers to this request from there. Within a tokio runtime.
    ///
    /// Cancel safety: as a visitor who goes away before the answer; a change goes on.
    pub async fn answer(&self, mut request: Request<Body>, from: SocketAddr) -> Response<Body> {
        request.extensions_mut().insert(ConnectInfo(from));
        match self.router.clone().call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    /// Looks at the server now and then, for what pages show of all streams, until it is dropped.
    pub async fn look(&self) {
        history::look(Arc::clone(&self.app)).await;
    }
}

async fn nothing() -> failure::Failure {
    failure::Failure::NotFound("there is nothing here".to_owned())
}

fn router(app: Arc<App>) -> Router {
    let login_bytes = DefaultBodyLimit::max(login::FORM_MAX);
    let router = Router::new()
        .route("/healthz", get(health::is_alive))
        .route("/readyz", get(health::is_ready))
        .route("/metrics", get(metrics::get))
        .route("/assets/style.css", get(asset::style))
        .route("/assets/live.js", get(asset::script))
        .route("/assets/icon.svg", get(asset::icon))
        .route("/login", get(login::form).post(login::log_in).layer(login_bytes))
        .route("/logout", post(login::log_out))
        .merge(pages::routes())
        .merge(api::routes())
        .fallback(nothing);
    router
        .layer(from_fn(whole_change))
        .layer(from_fn(failure::present))
        .layer(from_fn_with_state(Arc::clone(&app), guard::guard))
        .with_state(app)
}

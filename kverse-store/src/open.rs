//! The only place that knows which backends exist.

use std::sync::Arc;

use kverse_core::{Error, ErrorKind, KvStore, MemoryStore, Result};

use crate::{StoreConfig, StoreUrl};

/// Opens a store with everything around it: cache, group commit, metrics.
///
/// # Errors
/// `Unsupported` if the backend was not compiled in; what the backend says otherwise.
pub async fn open(config: &StoreConfig) -> Result<Arc<dyn KvStore>> {
    match &config.url {
        StoreUrl::Memory => Ok(Arc::new(MemoryStore::new(
            Arc::clone(&config.clock),
            config.limits,
        ))),
        #[cfg(feature = "http")]
        StoreUrl::Http(url) => {
            let options = crate::http::HttpOptions::default().with_limits(config.limits);
            let store = crate::http::HttpStore::connect(url.clone(), options).await?;
            Ok(Arc::new(store))
        }
        url => Err(Error::new(
            ErrorKind::Unsupported,
            format!("no backend for {url}"),
        )),
    }
}

//! Doing something with all octets of a message, when there is a place.

use crate::body::{Body, BodyError};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

/// Places for messages that are looked at: as many as there are cores.
#[must_use]
pub fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(2, usize::from)))
}

/// Does something with the octets of the message, on the blocking pool, when there is a place.
///
/// # Errors
/// In words: no place in time, the body cannot be read, the work panicked or was late.
pub async fn with_octets<T: Send + 'static>(
    places: &Arc<Semaphore>,
    body: &Body,
    finish_by: Instant,
    work: impl FnOnce(&[u8]) -> T + Send + 'static,
) -> Result<T, String> {
    let place = timeout_at(finish_by, Arc::clone(places).acquire_owned()).await;
    let Ok(Ok(place)) = place else { return Err("no place among those looked at in time".to_owned()) };
    let octets = load(body).await.map_err(|error| error.to_string())?;
    let worked = tokio::task::spawn_blocking(move || {
        let worked = work(&octets);
        drop(octets);
        drop(place);
        worked
    });
    match timeout_at(finish_by, worked).await {
        Ok(Ok(worked)) => Ok(worked),
        Ok(Err(error)) if error.is_panic() => Err("looking at it panicked; see the log".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_late) => Err("looking at it took too long".to_owned()),
    }
}

/// All octets of a message in one piece.
async fn load(body: &Body) -> Result<Vec<u8>, BodyError> {
    let mut octets = Vec::with_capacity(usize::try_from(body.len()).unwrap_or_default());
    let mut reader = body.reader();
    while let Some(piece) = reader.next().await? {
        octets.extend_from_slice(&piece);
    }
    Ok(octets)
}

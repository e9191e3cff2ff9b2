//! Doing something with all octets of a message, when there is a place.

use crate::body::{Body, BodyError, BodyWriter, Budget};
use crate::message::large::buffer;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Places for messages that are looked at: as many as there are cores.
#[must_use]
pub fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(2, usize::from)))
}

/// What came of a message, with the place among those that are looked at.
#[derive(Debug)]
pub struct Held<T> {
    /// What came of it.
    pub outcome: T,
    _place: OwnedSemaphorePermit,
}

/// Does something with the octets of the message, on the blocking pool, when there is a place. Whoever gets the outcome
/// keeps the place until what is large in it is put away.
///
/// # Errors
/// In words: no place in time, the body cannot be read, the work panicked or was late.
pub async fn with_octets<T: Send + 'static>(
    places: &Arc<Semaphore>,
    body: &Body,
    finish_by: Instant,
    work: impl FnOnce(&[u8]) -> T + Send + 'static,
) -> Result<Held<T>, String> {
    let place = timeout_at(finish_by, Arc::clone(places).acquire_owned()).await;
    let Ok(Ok(place)) = place else { return Err("no place among those looked at in time".to_owned()) };
    let octets = load(body).await.map_err(|error| error.to_string())?;
    let worked = tokio::task::spawn_blocking(move || {
        let outcome = work(&octets);
        drop(octets);
        Held { outcome, _place: place }
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
    let mut octets = buffer(usize::try_from(body.len()).unwrap_or_default());
    let mut reader = body.reader();
    while let Some(piece) = reader.next().await? {
        octets.extend_from_slice(&piece);
    }
    Ok(octets)
}

/// Octets as a body of their own.
///
/// # Errors
/// There is no room, or the disk fails.
pub async fn write(budget: &Arc<Budget>, octets: &[u8]) -> Result<Body, BodyError> {
    let mut writer = BodyWriter::new(Arc::clone(budget));
    for piece in octets.chunks(64 * 1024) {
        writer.push(piece)?;
        if writer.wants_spill() {
            writer.spill().await?;
        }
    }
    writer.finish().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn work_that_cannot_be_done_is_an_error_and_gives_its_place_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = BodyWriter::new(Budget::new(1 << 20, 0, folder.path().to_owned()));
        writer.push(b"Subject: x\r\n\r\nbody\r\n").unwrap();
        let body = writer.finish().await.unwrap();
        let places = Arc::new(Semaphore::new(1));
        let soon = || Instant::now() + Duration::from_millis(100);
        let length = |octets: &[u8]| octets.len();
        assert_eq!(with_octets(&places, &body, soon(), length).await.unwrap().outcome, 20);
        let panics = |_: &[u8]| -> usize { panic!("as it is told to") };
        assert!(with_octets(&places, &body, soon(), panics).await.unwrap_err().contains("panicked"));
        let late = |_: &[u8]| std::thread::sleep(Duration::from_millis(300));
        assert!(with_octets(&places, &body, soon(), late).await.unwrap_err().contains("too long"));
        // It still works, and has its place.
        assert!(with_octets(&places, &body, soon(), length).await.unwrap_err().contains("no place"));
        let patient = Instant::now() + Duration::from_secs(5);
        let held = with_octets(&places, &body, patient, length).await.unwrap();
        // Until the outcome is put away nobody else has the place.
        assert!(with_octets(&places, &body, soon(), length).await.unwrap_err().contains("no place"));
        assert_eq!(held.outcome, 20);
    }
}

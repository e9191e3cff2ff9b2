//! Taking a body in, and deciding where it lies.
//!
//! A body stays in memory while it has at most [`SMALL`] octets or less than half of the memory budget
//! is in use; it goes to disk when it is larger and half is in use, or when the budget has no room for
//! it. Once on disk it stays there, with one block in memory.

use super::budget::{Budget, Chunks, Hold};
use super::content::{Body, Content};
use super::error::BodyError;
use super::sealed::{PLAIN, SEALED, Sealed, TAG};
use std::io;
use std::sync::Arc;

/// Up to so many octets a body is left in memory as long as the budget has room at all.
const SMALL: u64 = 256 * 1024;
const FIRST_CHUNK: usize = 4 * 1024;
const LAST_CHUNK: usize = PLAIN;

/// A body that is being taken in.
#[derive(Debug)]
pub struct BodyWriter {
    parts: Parts,
    octets: u64,
    /// An earlier spill failed or was dropped: the body is incomplete and nothing more can come of it.
    broken: bool,
}

/// What moves to the blocking pool and back. If the session ends meanwhile, it is dropped there, and
/// gives its budget back when its memory is really free.
#[derive(Debug)]
struct Parts {
    /// In memory, in order, none empty; behind the file's octets.
    chunks: Chunks,
    spilled: Option<Spilled>,
    hold: Hold,
}

#[derive(Debug)]
struct Spilled {
    file: Arc<Sealed>,
    /// Blocks in the file.
    blocks: u64,
    /// The block that is being filled, fewer than `PLAIN` octets after a spill. While it has room, there
    /// are no `chunks`.
    block: Vec<u8>,
}

impl BodyWriter {
    /// An empty body. Allocates nothing before the first octet.
    #[must_use]
    pub fn new(budget: Arc<Budget>) -> Self {
        Self { parts: Parts::new(budget), octets: 0, broken: false }
    }

    /// Appends `data`, to memory; never waits. Look at [`Self::wants_spill`] after it, and push no more
    /// than 64 KiB between two looks: a body may go over the budget by no more than 128 KiB.
    ///
    /// # Errors
    /// `NoSpace` where the budget has no room; nothing of `data` was taken then. Any error of an earlier
    /// spill makes this one fail too.
    pub fn push(&mut self, data: &[u8]) -> Result<(), BodyError> {
        if self.broken {
            return Err(broken());
        }
        self.parts.push(data)?;
        self.octets += data.len() as u64;
        Ok(())
    }

    /// Whether [`Self::spill`] is due. Cheap.
    #[must_use]
    pub fn wants_spill(&self) -> bool {
        match &self.parts.spilled {
            Some(spilled) => spilled.block.len() >= PLAIN,
            None => {
                self.parts.hold.is_over()
                    || (self.octets > SMALL && self.parts.hold.budget().memory_is_short())
            }
        }
    }

    /// Moves what is in memory to the file, all but the last incomplete block. If the call is dropped
    /// before it is ready, the body is lost.
    ///
    /// # Errors
    /// `NoSpace` where the disk budget or the disk is full, or the step that failed. The body is lost
    /// and its share of the budgets given back.
    pub async fn spill(&mut self) -> Result<(), BodyError> {
        self.on_disk(Parts::spill).await
    }

    /// Octets taken so far.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.octets
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.octets == 0
    }

    /// The whole body. Waits for the disk only if some of it lies there or has to go there.
    ///
    /// # Errors
    /// As [`Self::spill`].
    pub async fn finish(mut self) -> Result<Body, BodyError> {
        if self.broken {
            return Err(broken());
        }
        if self.parts.spilled.is_some() || self.wants_spill() {
            self.on_disk(Parts::flush).await?;
        }
        let Self { parts, octets, .. } = self;
        let content = match parts.spilled {
            Some(spilled) => Content::File(spilled.file),
            None => Content::Memory(parts.chunks),
        };
        Ok(Body { content, octets, hold: parts.hold })
    }

    async fn on_disk(&mut self, work: fn(&mut Parts) -> Result<(), BodyError>) -> Result<(), BodyError> {
        if self.broken {
            return Err(broken());
        }
        self.broken = true;
        let empty = Parts::new(Arc::clone(self.parts.hold.budget()));
        let mut parts = std::mem::replace(&mut self.parts, empty);
        let done = tokio::task::spawn_blocking(move || work(&mut parts).map(|()| parts)).await;
        self.parts = done.map_err(|e| BodyError::io("start writing", e.into()))??;
        self.broken = false;
        Ok(())
    }
}

impl Parts {
    fn new(budget: Arc<Budget>) -> Self {
        Self { chunks: Chunks::new(Arc::clone(&budget)), spilled: None, hold: Hold::new(budget) }
    }

    fn push(&mut self, mut data: &[u8]) -> Result<(), BodyError> {
        let chunks = &mut self.chunks.list;
        let mut room = chunks.last().map_or(0, |last| full(last) - last.len());
        if let Some(spilled) = &self.spilled {
            room += PLAIN.saturating_sub(spilled.block.len());
        }
        let left = data.len().saturating_sub(room);
        let previous = chunks.last().map_or(0, full);
        // Reserved as a whole before anything is taken, so that a refused piece is refused whole.
        let more: usize = chunk_sizes(previous, left).sum();
        if more > 0 && !self.hold.take_memory(more as u64) {
            return Err(BodyError::NoSpace);
        }
        if let Some(spilled) = &mut self.spilled {
            fill(&mut spilled.block, PLAIN, &mut data);
        }
        if let Some(last) = chunks.last_mut() {
            let full = full(last);
            fill(last, full, &mut data);
        }
        for size in chunk_sizes(previous, left) {
            let mut chunk = match size {
                LAST_CHUNK => self.hold.budget().buffer(),
                _ => Vec::with_capacity(size),
            };
            fill(&mut chunk, size, &mut data);
            chunks.push(chunk);
        }
        Ok(())
    }

    fn spill(&mut self) -> Result<(), BodyError> {
        let Self { chunks, spilled, hold } = self;
        if spilled.is_none() {
            let file = Arc::new(Sealed::create(hold.budget().tmp())?);
            // Counted though there may be no room for it: it is what frees the rest.
            hold.count_memory(SEALED as u64);
            *spilled = Some(Spilled { file, blocks: 0, block: hold.budget().buffer() });
        }
        let Some(spilled) = spilled else { return Ok(()) };
        if spilled.block.len() >= PLAIN {
            spilled.write(hold)?;
        }
        for chunk in chunks.list.drain(..) {
            let mut data = chunk.as_slice();
            while !data.is_empty() {
                fill(&mut spilled.block, PLAIN, &mut data);
                if spilled.block.len() >= PLAIN {
                    spilled.write(hold)?;
                }
            }
            hold.budget().recycle(chunk);
        }
        hold.keep_memory(SEALED as u64);
        Ok(())
    }

    /// Everything to the file, the last block too.
    fn flush(&mut self) -> Result<(), BodyError> {
        self.spill()?;
        if let Some(spilled) = &mut self.spilled {
            if !spilled.block.is_empty() {
                spilled.write(&mut self.hold)?;
            }
            self.hold.budget().recycle(std::mem::take(&mut spilled.block));
        }
        self.hold.keep_memory(0);
        Ok(())
    }
}

impl Spilled {
    fn write(&mut self, hold: &mut Hold) -> Result<(), BodyError> {
        if !hold.take_disk((self.block.len() + TAG) as u64) {
            return Err(BodyError::NoSpace);
        }
        self.file.write(self.blocks, &mut self.block)?;
        self.blocks += 1;
        Ok(())
    }
}

/// Sizes of the chunks after one of `previous` octets that hold `left` more: doubling, so that a small
/// body costs one chunk and a large one few.
fn chunk_sizes(mut previous: usize, mut left: usize) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (left > 0).then(|| {
            let wanted = left.min(LAST_CHUNK).next_multiple_of(FIRST_CHUNK);
            previous = (previous * 2).max(wanted).min(LAST_CHUNK);
            left = left.saturating_sub(previous);
            previous
        })
    })
}

/// Octets that a chunk takes: one of the recycled buffers has room for a tag besides.
fn full(chunk: &Vec<u8>) -> usize {
    chunk.capacity().min(LAST_CHUNK)
}

/// Moves octets from `data` to the end of `to` until that has `full`.
fn fill(to: &mut Vec<u8>, full: usize, data: &mut &[u8]) {
    let room = full.saturating_sub(to.len()).min(data.len());
    if let Some((now, later)) = data.split_at_checked(room) {
        to.extend_from_slice(now);
        *data = later;
    }
}

fn broken() -> BodyError {
    BodyError::io("go on with", io::Error::other("an earlier step failed or was given up"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Used;
    use proptest::prelude::*;
    use std::path::Path;

    const KB: u64 = 1024;

    struct House {
        _dir: tempfile::TempDir,
        budget: Arc<Budget>,
    }

    fn house(memory: u64, disk: u64) -> House {
        let dir = tempfile::tempdir().unwrap();
        let budget = Budget::new(memory, disk, dir.path().to_owned());
        House { _dir: dir, budget }
    }

    fn data(octets: usize) -> Vec<u8> {
        (0..octets).map(|i| (i * 31 + i / 251) as u8).collect()
    }

    async fn take_in(budget: &Arc<Budget>, pieces: impl Iterator<Item = &[u8]>) -> Result<Body, BodyError> {
        let mut writer = BodyWriter::new(Arc::clone(budget));
        for piece in pieces {
            writer.push(piece)?;
            if writer.wants_spill() {
                writer.spill().await?;
                assert!(!writer.wants_spill());
            }
        }
        writer.finish().await
    }

    async fn read(body: &Body) -> Result<Vec<u8>, BodyError> {
        let mut all = Vec::new();
        let mut reader = body.reader();
        while let Some(chunk) = reader.next().await? {
            assert!(!chunk.is_empty() && chunk.len() <= PLAIN);
            all.extend_from_slice(&chunk);
        }
        assert!(reader.next().await?.is_none());
        Ok(all)
    }

    fn assert_nothing_held(budget: &Budget) {
        let Used { memory, disk, .. } = budget.used();
        assert_eq!((memory, disk), (0, 0));
    }

    #[tokio::test]
    async fn a_body_comes_back_as_it_went_in_around_every_boundary() {
        let edges = [0, 1, 4096, 8192, 12_288, 28_672, 61_440, 65_536, 126_976, 131_072, 262_144, 327_680];
        for memory in [0, 100 * KB, 1024 * KB] {
            let house = house(memory, 1 << 30);
            for edge in edges {
                for octets in [edge - i32::from(edge > 0), edge, edge + 1] {
                    let data = data(octets as usize);
                    for piece in [1000, 16_384, 65_536] {
                        let body = take_in(&house.budget, data.chunks(piece)).await.unwrap();
                        assert_eq!(body.len(), octets as u64);
                        assert_eq!(read(&body).await.unwrap(), data, "{octets} in pieces of {piece}");
                        assert_eq!(read(&body).await.unwrap(), data, "a second time");
                    }
                }
            }
            assert_nothing_held(&house.budget);
        }
    }

    #[tokio::test]
    async fn a_small_body_is_one_piece() {
        let house = house(1 << 20, 0);
        let data = data(4500);
        let body = take_in(&house.budget, std::iter::once(&*data)).await.unwrap();
        assert_eq!(body.memory_chunks().unwrap(), [data]);
        assert_eq!(house.budget.used().memory, 8192);
        let empty = BodyWriter::new(Arc::clone(&house.budget)).finish().await.unwrap();
        assert!(empty.is_empty() && empty.is_in_memory() && empty.memory_chunks().unwrap().is_empty());
    }

    #[tokio::test]
    async fn large_bodies_spill_when_half_is_used_and_small_ones_when_all_is() {
        let house = house(1024 * KB, 1 << 30);
        let large = data(400 * 1024);
        let alone = take_in(&house.budget, large.chunks(8192)).await.unwrap();
        assert!(alone.is_in_memory());
        let second = take_in(&house.budget, large.chunks(8192)).await.unwrap();
        assert!(!second.is_in_memory());
        assert_eq!(second.memory_chunks(), None);
        let small = data(240 * 1024);
        let third = take_in(&house.budget, small.chunks(8192)).await.unwrap();
        let fourth = take_in(&house.budget, small.chunks(8192)).await.unwrap();
        let fifth = take_in(&house.budget, small.chunks(8192)).await.unwrap();
        assert_eq!([&third, &fourth, &fifth].map(Body::is_in_memory), [true, true, false]);
        assert!(house.budget.used().memory_peak <= 1024 * KB + OVERRUN_AND_BLOCK);
        assert_eq!(read(&fifth).await.unwrap(), small);
        drop((alone, second, third, fourth, fifth));
        assert_nothing_held(&house.budget);
    }

    const OVERRUN_AND_BLOCK: u64 = 128 * KB + SEALED as u64;

    #[tokio::test]
    async fn a_spilled_body_holds_one_block_of_memory_and_a_finished_one_none() {
        let house = house(0, 1 << 30);
        let mut writer = BodyWriter::new(Arc::clone(&house.budget));
        for _ in 0..100 {
            writer.push(&data(16_000)).unwrap();
            if writer.wants_spill() {
                writer.spill().await.unwrap();
                assert_eq!(house.budget.used().memory, SEALED as u64);
            }
        }
        let body = writer.finish().await.unwrap();
        assert_eq!(house.budget.used().memory, 0);
        let sealed = 1_600_000 + (1_600_000_u64.div_ceil(PLAIN as u64) * TAG as u64);
        assert_eq!(house.budget.used().disk, sealed);
        let mut reader = body.reader();
        reader.next().await.unwrap();
        assert_eq!(house.budget.used().memory, SEALED as u64);
        drop(reader);
        assert_eq!(house.budget.used().memory, 0);
    }

    #[tokio::test]
    async fn without_room_a_push_is_refused_whole_and_a_spill_says_no_space() {
        let house = house(0, 100 * KB);
        let mut writer = BodyWriter::new(Arc::clone(&house.budget));
        let all = data(1 << 20);
        writer.push(&all[..128 * 1024]).unwrap();
        assert!(matches!(writer.push(&all[..1]), Err(BodyError::NoSpace)));
        assert!(matches!(writer.push(&all), Err(BodyError::NoSpace)));
        assert_eq!(writer.len(), 128 * KB);
        assert!(matches!(writer.spill().await, Err(BodyError::NoSpace)));
        assert_nothing_held(&house.budget);
        assert!(matches!(writer.push(b"x"), Err(BodyError::Io { .. })));
        assert!(matches!(writer.spill().await, Err(BodyError::Io { .. })));
        assert!(matches!(writer.finish().await, Err(BodyError::Io { .. })));
        assert_eq!(house.budget.used().refused, 3);
        assert_nothing_held(&house.budget);
        let error = take_in(&house.budget, all.chunks(4096)).await.unwrap_err();
        assert!(error.to_string().contains("raise memory and disk"), "{error}");
    }

    #[tokio::test]
    async fn a_missing_folder_is_an_error_with_its_step() {
        let budget = Budget::new(0, 1 << 20, Path::new("/no/such/folder").to_owned());
        let error = take_in(&budget, std::iter::once(&b"x"[..])).await.unwrap_err().to_string();
        assert!(error.starts_with("cannot create the temporary file"), "{error}");
        assert_nothing_held(&budget);
    }

    #[tokio::test]
    async fn a_spill_that_is_given_up_gives_everything_back() {
        let house = house(0, 1 << 30);
        let mut writer = BodyWriter::new(Arc::clone(&house.budget));
        writer.push(&data(100_000)).unwrap();
        // Polled once, then dropped.
        let now = std::time::Duration::ZERO;
        let _ = tokio::time::timeout(now, writer.spill()).await;
        drop(writer);
        for _ in 0..500 {
            if house.budget.used().memory == 0 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_nothing_held(&house.budget);
    }

    #[tokio::test]
    async fn a_read_that_is_given_up_is_repeated() {
        let house = house(0, 1 << 30);
        let data = data(200_000);
        let body = take_in(&house.budget, data.chunks(16_384)).await.unwrap();
        let mut reader = body.reader();
        let _ = tokio::time::timeout(std::time::Duration::ZERO, reader.next()).await;
        let mut rest = Vec::new();
        while let Some(chunk) = reader.next().await.unwrap() {
            rest.extend_from_slice(&chunk);
        }
        assert!(data.ends_with(&rest) && data.len() - rest.len() <= PLAIN);
    }

    #[tokio::test]
    async fn large_buffers_go_round_and_never_show_old_octets() {
        let house = house(1 << 20, 1 << 30);
        let first = take_in(&house.budget, data(200_000).chunks(16_384)).await.unwrap();
        let old = first.memory_chunks().unwrap().last().unwrap().as_ptr();
        drop(first);
        let second = take_in(&house.budget, vec![b'x'; 61_441].chunks(16_384)).await.unwrap();
        assert_eq!(second.memory_chunks().unwrap().last().unwrap().as_ptr(), old);
        assert_eq!(read(&second).await.unwrap(), vec![b'x'; 61_441]);
    }

    #[tokio::test]
    async fn a_panic_gives_everything_back() {
        let house = house(1 << 20, 1 << 20);
        let budget = Arc::clone(&house.budget);
        let task = tokio::spawn(async move {
            let mut writer = BodyWriter::new(budget);
            writer.push(&data(100_000)).unwrap();
            panic!("on purpose");
        });
        assert!(task.await.is_err());
        assert_nothing_held(&house.budget);
    }

    #[tokio::test]
    async fn damage_to_the_file_is_noticed_and_the_file_hides_its_contents() {
        let house = house(0, 1 << 30);
        let data = data(150_000);
        let body = take_in(&house.budget, data.chunks(16_384)).await.unwrap();
        let Content::File(file) = &body.content else { panic!("in memory") };
        for at in [0, 65_535, 65_536, 65_552, 149_999, 150_047] {
            file.damage(at);
            assert!(matches!(read(&body).await, Err(BodyError::Damaged)), "{at}");
            file.damage(at);
            assert_eq!(read(&body).await.unwrap(), data);
        }
        file.cut(150_000);
        assert!(matches!(read(&body).await, Err(BodyError::Damaged)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn pieces_do_not_matter(
            octets in 0_usize..400_000,
            cuts in prop::collection::vec(1_usize..65_536, 1..20),
            memory in prop::sample::select(vec![0, 64 * KB, 512 * KB, 4096 * KB]),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let house = house(memory, 1 << 30);
            let data = data(octets);
            let mut pieces = Vec::new();
            let mut rest = data.as_slice();
            for cut in cuts.iter().cycle() {
                let (piece, later) = rest.split_at((*cut).min(rest.len()));
                pieces.push(piece);
                rest = later;
                if rest.is_empty() { break; }
            }
            let back = runtime.block_on(async {
                let body = take_in(&house.budget, pieces.into_iter()).await.unwrap();
                read(&body).await.unwrap()
            });
            prop_assert!(back == data);
            assert_nothing_held(&house.budget);
        }
    }
}

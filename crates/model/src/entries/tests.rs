//! The entries of a stream against a plain list of them.

use super::{
    BlockLimits, BlockPlace, ColdBlock, Direction, Entries, EntrySlice, Eviction, LoadedBlock,
};
use crate::EntryId;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Names and values in turn.
type Fields = Vec<Vec<u8>>;
type Entry = (EntryId, Fields);

#[derive(Clone, Debug)]
enum Step {
    /// How far above the last id, and the fields.
    Append(EntryId, Fields),
    /// Deletes the entry at this place, counted around the end.
    Delete(usize),
    DeleteRun(usize, usize),
    DeleteBefore(usize),
    Slice(usize, usize, usize, bool),
    /// Deletes the last entry and reuses its id.
    Reuse(Fields),
    /// Writes some blocks to the disk that the test plays.
    Write(usize),
    /// Lets some blocks leave memory.
    Evict(usize),
    /// Moves a block to another place.
    Move(usize),
    /// Goes on with what was stored.
    Restore,
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..12),
        3 => any::<i32>().prop_map(|value| value.to_string().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 120..140),
        1 => (16_300_usize..40_000).prop_map(|length| vec![b'x'; length]),
    ]
}

fn fields() -> impl Strategy<Value = Fields> {
    let few = prop::sample::select(vec![vec!["a"], vec!["b"], vec!["a", "b"], vec!["", "a", "a"]]);
    let known = few.prop_flat_map(|names| {
        prop::collection::vec(bytes(), names.len()).prop_map(move |values| {
            names.iter().map(|name| name.as_bytes().to_vec()).zip(values).collect::<Vec<_>>()
        })
    });
    let any = prop::collection::vec((bytes(), bytes()), 1..4);
    prop_oneof![5 => known, 2 => any]
        .prop_map(|pairs| pairs.into_iter().flat_map(|(name, value)| [name, value]).collect())
}

fn step() -> impl Strategy<Value = Step> {
    let gap = prop_oneof![
        (Just(0_u64), 1_u64..4),
        (1_u64..4, 0_u64..4),
        (100_u64..100_000, prop_oneof![Just(0), any::<u64>()]),
    ];
    let gap = gap.prop_map(|(ms, seq)| EntryId::new(ms, seq));
    prop_oneof![
        12 => (gap, fields()).prop_map(|(gap, fields)| Step::Append(gap, fields)),
        3 => any::<usize>().prop_map(Step::Delete),
        1 => (any::<usize>(), 1_usize..12).prop_map(|(at, count)| Step::DeleteRun(at, count)),
        1 => any::<usize>().prop_map(Step::DeleteBefore),
        3 => (any::<usize>(), any::<usize>(), 0_usize..20, any::<bool>())
            .prop_map(|(from, to, count, up)| Step::Slice(from, to, count, up)),
        1 => fields().prop_map(Step::Reuse),
        3 => any::<usize>().prop_map(Step::Write),
        3 => any::<usize>().prop_map(Step::Evict),
        1 => any::<usize>().prop_map(Step::Move),
        1 => Just(Step::Restore),
    ]
}

fn limits() -> impl Strategy<Value = BlockLimits> {
    let bytes_max = prop::sample::select(vec![0_u64, 100, 300, 4_096, 200_000]);
    let entries_max = prop::sample::select(vec![0_u64, 1, 3, 10]);
    (bytes_max, entries_max)
        .prop_map(|(bytes_max, entries_max)| BlockLimits { bytes_max, entries_max })
}

fn borrow(fields: &Fields) -> Vec<&[u8]> {
    fields.iter().map(Vec::as_slice).collect()
}

fn read(slice: &EntrySlice) -> Vec<Entry> {
    let mut read: Vec<Entry> = Vec::new();
    slice.for_each(|entry| {
        assert_eq!(entry.pairs().len(), entry.field_count());
        let fields = entry.pairs().flat_map(|(name, value)| [name.to_vec(), value.to_vec()]);
        read.push((entry.id(), fields.collect()));
    });
    assert!(slice.ids().eq(read.iter().map(|entry| entry.0)));
    assert!(slice.iter().map(|entry| entry.id()).eq(read.iter().map(|entry| entry.0)));
    assert_eq!(slice.iter().len(), read.len());
    assert_eq!((slice.len(), slice.is_empty()), (read.len(), read.is_empty()));
    assert_eq!(slice.first_id(), read.first().map(|entry| entry.0));
    assert_eq!(slice.last_id(), read.last().map(|entry| entry.0));
    assert!(slice.bytes_estimate() >= read.iter().map(|e| e.1.concat().len()).sum::<usize>() / 4);
    read
}

/// Both sides, and the slices taken on the way with what they held.
#[derive(Default)]
struct Run {
    entries: Entries,
    model: Vec<Entry>,
    last: EntryId,
    slices: Vec<(EntrySlice, Vec<Entry>)>,
    /// What is at each place; places are never used twice.
    disk: BTreeMap<BlockPlace, Vec<u8>>,
    next_offset: u32,
}

impl Run {
    fn load(&self, cold: ColdBlock) -> LoadedBlock {
        LoadedBlock::decode(&self.disk[&cold.place]).expect("it was written")
    }

    /// Does something, and again after the blocks that it asks for were loaded.
    fn with_blocks<T>(&mut self, act: impl Fn(&mut Entries) -> Result<T, Vec<ColdBlock>>) -> T {
        loop {
            let asked = match act(&mut self.entries) {
                Ok(done) => return done,
                Err(asked) => asked,
            };
            assert!(!asked.is_empty());
            for cold in asked {
                let block = self.load(cold);
                assert!(self.entries.warm(cold, &block), "it was missing");
                assert!(!self.entries.warm(cold, &block), "it is there");
            }
        }
    }

    fn write(&mut self, nth: usize) {
        let unwritten: Vec<_> = self.entries.unwritten().collect();
        for (first, block) in unwritten.into_iter().skip(nth % 3).step_by(nth % 2 + 1) {
            let place = self.place();
            let mut bytes = Vec::new();
            block.encode(&mut bytes);
            self.disk.insert(place, bytes);
            assert!(self.entries.set_place(first, &block, place));
            assert!(!self.entries.set_place(first, &block, place), "it has one");
        }
    }

    fn place(&mut self) -> BlockPlace {
        self.next_offset += 1;
        BlockPlace { file: 1, offset: self.next_offset, bytes: 7 }
    }

    fn evict(&mut self, nth: usize) {
        let firsts: Vec<_> = self.entries.blocks().map(|block| block.first).collect();
        for first in firsts.into_iter().skip(nth % 3).step_by(nth % 2 + 1) {
            if self.entries.evict(first) == Eviction::Used {
                assert!(matches!(self.entries.evict(first), Eviction::Freed(_)));
            }
        }
    }

    fn relocate(&mut self, nth: usize) {
        let placed: Vec<_> = self.entries.blocks().map(|block| block.first).collect();
        let Some(&first) = placed.get(nth % placed.len().max(1)) else { return };
        let to = self.place();
        let from = self.entries.places().find(|place| self.entries.is_at(first, *place));
        if let Some(from) = from {
            self.disk.insert(to, self.disk[&from].clone());
            assert!(self.entries.move_place(first, from, to));
            assert!(self.entries.is_at(first, to) && !self.entries.is_at(first, from));
        }
    }

    fn restore(&mut self) {
        let mut restored = Entries::default();
        for block in self.entries.blocks() {
            restored.restore_block(block).expect("it was stored");
        }
        restored.freed.clone_from(&self.entries.freed);
        self.entries = restored;
    }

    /// Freed places are exactly those on the disk that nothing refers to.
    fn collect_garbage(&mut self) {
        let freed = self.entries.take_freed();
        freed.check();
        for place in freed.iter() {
            assert!(self.disk.remove(&place).is_some(), "freed once");
        }
        let mut kept: Vec<_> = self.entries.places().collect();
        kept.sort_unstable();
        assert!(self.disk.keys().copied().eq(kept));
    }

    fn append(&mut self, id: EntryId, fields: &Fields, limits: BlockLimits) {
        let payload = fields.iter().map(|part| part.len() as u64).sum();
        self.with_blocks(|entries| match entries.cold_for_append(id, payload, limits) {
            Some(cold) => Err(vec![cold]),
            None => Ok(()),
        });
        self.entries.append(id, &borrow(fields), limits);
        self.model.push((id, fields.clone()));
        self.last = id;
    }

    fn delete(&mut self, at: usize) {
        if !self.model.is_empty() {
            let (id, _) = self.model.remove(at % self.model.len());
            assert!(self.with_blocks(|entries| entries.contains(id).map_err(|cold| vec![cold])));
            assert!(self.entries.delete(id), "{id} is there");
            let is_there =
                self.with_blocks(|entries| entries.contains(id).map_err(|cold| vec![cold]));
            assert!(!is_there && !self.entries.delete(id), "{id} is gone");
        }
    }

    /// An id at, between or beyond the entries.
    fn some_id(&self, at: usize) -> EntryId {
        match self.model.get(at / 3 % (self.model.len() + 1)) {
            None => EntryId::MAX,
            Some((id, _)) => match at % 3 {
                0 => *id,
                1 => id.next().unwrap_or(*id),
                _ => id.previous().unwrap_or(*id),
            },
        }
    }

    fn apply(&mut self, step: &Step, limits: BlockLimits) {
        match step {
            Step::Append(gap, fields) => {
                let seq =
                    if gap.ms == 0 { self.last.seq.checked_add(gap.seq) } else { Some(gap.seq) };
                if let Some(seq) = seq {
                    self.append(EntryId::new(self.last.ms + gap.ms, seq), fields, limits);
                }
            }
            Step::Delete(at) => self.delete(*at),
            Step::DeleteRun(at, count) => (0..*count).for_each(|_| self.delete(*at)),
            Step::DeleteBefore(at) => {
                let id = self.some_id(*at);
                let before = self.model.len();
                self.model.retain(|entry| entry.0 >= id);
                let gone = before - self.model.len();
                self.with_blocks(|entries| match entries.cold_before(id) {
                    Some(cold) => Err(vec![cold]),
                    None => Ok(()),
                });
                assert_eq!(self.entries.delete_before(id), gone as u64);
            }
            Step::Slice(from, to, count, ascending) => {
                self.slice(self.some_id(*from), self.some_id(*to), *count, *ascending);
            }
            Step::Reuse(fields) => {
                if let Some((id, _)) = self.model.last().cloned() {
                    self.delete(self.model.len() - 1);
                    self.append(id, fields, limits);
                }
            }
            Step::Write(nth) => self.write(*nth),
            Step::Evict(nth) => self.evict(*nth),
            Step::Move(nth) => self.relocate(*nth),
            Step::Restore => self.restore(),
        }
    }

    fn slice(&mut self, from: EntryId, to: EntryId, count: usize, ascending: bool) {
        let inside = |entry: &&Entry| from <= entry.0 && entry.0 <= to;
        let mut expected: Vec<Entry> = self.model.iter().filter(inside).cloned().collect();
        if !ascending {
            expected.reverse();
        }
        expected.truncate(count);
        let direction = if ascending { Direction::Ascending } else { Direction::Descending };
        let slice = self.with_blocks(|entries| {
            entries.slice(from, to, count, direction).map_err(|cold| cold.0)
        });
        assert_eq!(slice.direction(), direction);
        assert_eq!(slice.len(), expected.len(), "counted without looking into blocks");
        let slice = self.warmed(slice);
        assert_eq!(read(&slice), expected);
        self.slices.push((slice, expected));
    }

    fn warmed(&self, mut slice: EntrySlice) -> EntrySlice {
        for run in 0..slice.run_count() {
            if let Some(cold) = slice.cold_of_run(run) {
                slice.warm_run(run, &self.load(cold));
            }
        }
        assert_eq!(slice.cold().count(), 0);
        slice
    }

    fn compare(&mut self, probe: usize) {
        self.entries.check();
        self.collect_garbage();
        let all = self.entries.slice(EntryId::MIN, EntryId::MAX, usize::MAX, Direction::Ascending);
        let all = self.warmed(all.expect("no block is cut"));
        let id = self.some_id(probe);
        let is_there = self.with_blocks(|entries| entries.contains(id).map_err(|cold| vec![cold]));
        let (entries, model) = (&self.entries, &self.model);
        let ids: Vec<EntryId> = model.iter().map(|entry| entry.0).collect();
        assert_eq!(entries.len(), ids.len() as u64);
        assert_eq!(entries.is_empty(), ids.is_empty());
        assert_eq!(entries.first_id(), ids.first().copied());
        assert_eq!(entries.last_id(), ids.last().copied());
        assert_eq!(&read(&all), model);
        let found = model.iter().find(|entry| entry.0 == id);
        assert_eq!(is_there, found.is_some());
        let pinned = entries.get(id).expect("it was loaded above");
        assert_eq!(pinned.as_ref().map(|pinned| pinned.id()), found.map(|entry| entry.0));
        if let (Some(pinned), Some((id, fields))) = (&pinned, found) {
            assert_eq!(pinned.as_ref().id(), *id);
            let pairs = pinned.as_ref().pairs().flat_map(|(name, value)| [name, value]);
            assert!(pairs.eq(borrow(fields)));
        }
        assert_eq!(entries.nodes().count(), entries.block_count());
        let mut left = ids.into_iter();
        for node in entries.nodes() {
            let here: Vec<_> = left.by_ref().take(node.live() as usize).collect();
            assert_eq!(here.first().copied(), Some(node.first_live_id()));
            assert!(here.last() <= Some(&node.last_stored_id()));
            match node.live_ids() {
                Ok(ids) => assert!(ids.eq(here)),
                Err(cold) => assert_eq!(Some(cold), node.cold()),
            }
        }
        assert_eq!(left.next(), None);
    }
}

proptest! {
    #[test]
    fn agrees_with_a_plain_list(
        steps in prop::collection::vec((step(), any::<usize>()), 0..50),
        limits in limits(),
    ) {
        let mut run = Run::default();
        for (step, probe) in &steps {
            run.apply(step, limits);
            run.compare(*probe);
        }
        let frozen = run.entries.clone();
        let before = run.model.clone();
        run.entries.delete_before(EntryId::MAX);
        frozen.check();
        let all = frozen.slice(EntryId::MIN, EntryId::MAX, usize::MAX, Direction::Ascending);
        prop_assert_eq!(read(&run.warmed(all.expect("no block is cut"))), before);
        for (slice, held) in &run.slices {
            prop_assert_eq!(&read(slice), held);
        }
    }
}

fn id(ms: u64) -> EntryId {
    EntryId::new(ms, 1)
}

fn tiny_entries(count: u64, limits: BlockLimits) -> Entries {
    let mut entries = Entries::default();
    for ms in 1..=count {
        entries.append(id(ms), &[b"f", b"v"], limits);
    }
    entries
}

/// `XADD s <n>-1 f v` for n in 1..=12,000 on Redis 8.6.
#[test]
fn blocks_are_cut_where_redis_cuts_nodes() {
    let by_bytes = tiny_entries(12_000, BlockLimits { bytes_max: 4_096, entries_max: 0 });
    assert_eq!(by_bytes.block_count(), 35);
    let live: Vec<u64> = by_bytes.nodes().map(|node| node.live()).collect();
    assert_eq!((live[0], live[34]), (351, 66));
    // What `XTRIM s MAXLEN ~ 0` removes: whole nodes up to 10,000 entries.
    assert_eq!(live[..28].iter().sum::<u64>(), 9_828);
    assert!(live[..29].iter().sum::<u64>() > 10_000);
    assert_eq!(tiny_entries(12_000, BlockLimits::default()).block_count(), 120);
}

/// Integers of every width, both signs.
fn number(i: u64) -> Vec<u8> {
    let value = i.wrapping_mul(11_400_714_819_323_198_485) >> (i % 64);
    let sign = if i.is_multiple_of(3) && value > 0 { "-" } else { "" };
    format!("{sign}{value}").into_bytes()
}

/// Which of 2,000 mixed entries opened a node on Redis 8.6, with `stream-node-max-entries 0` and
/// each seventh entry deleted as soon as it was there.
#[test]
fn mixed_entries_open_blocks_where_redis_opens_nodes() {
    let limits = BlockLimits { bytes_max: 4_096, entries_max: 0 };
    let mut entries = Entries::default();
    let mut opened = Vec::new();
    for i in 1..=2_000_u64 {
        let text = |length: u64| vec![b'x'; usize::try_from(length).expect("it is small")];
        let fields = match i % 4 {
            0 | 1 => vec![b"n".to_vec(), number(i)],
            2 => vec![b"a".to_vec(), text(i * 7 % 150), b"b".to_vec(), number(i + 1)],
            _ => vec![number(i % 5 + 7), b"007".to_vec(), b"n".to_vec(), text(i * i % 70)],
        };
        let id = EntryId::new(i / 3 * (i % 5 + 1_000) + i * 50_000, i % 3 * 5_000);
        let before = entries.block_count();
        entries.append(id, &borrow(&fields), limits);
        if entries.block_count() > before {
            opened.push(i);
        }
        if i.is_multiple_of(7) {
            assert!(entries.delete(id));
        }
    }
    let by_redis = [
        1, 80, 163, 235, 314, 394, 470, 547, 623, 624, 706, 783, 858, 937, 1018, 1096, 1174, 1251,
        1326, 1409, 1485, 1563, 1642, 1719, 1795, 1871, 1947,
    ];
    assert_eq!(opened, by_redis);
}

#[test]
fn large_entries_are_cut_where_redis_cuts_nodes() {
    for (length, count, nodes) in [(1_000, 20, 5), (5_000, 10, 10)] {
        let mut entries = Entries::default();
        for ms in 1..=count {
            entries.append(id(ms), &[b"f", &vec![b'x'; length]], BlockLimits::default());
        }
        assert_eq!(entries.block_count(), nodes);
    }
}

#[test]
fn a_tiny_entry_takes_fewer_bytes_than_in_redis() {
    // Redis needs at least 11.7 per entry: 4,096 for 351 of them.
    let entries = tiny_entries(100_000, BlockLimits::default());
    let per_entry = entries.heap_bytes() as f64 / 100_000.0;
    assert!(per_entry < 11.0, "{per_entry} bytes per entry");
}

#[test]
fn an_id_may_come_back_once_it_is_deleted() {
    let mut entries = tiny_entries(5, BlockLimits::default());
    assert!(entries.delete(id(5)) && entries.delete(id(4)));
    entries.append(id(4), &[b"f", b"again"], BlockLimits::default());
    entries.check();
    let all = entries.slice(EntryId::MIN, EntryId::MAX, usize::MAX, Direction::Ascending);
    let seen: Vec<EntryId> = all.expect("all is in memory").ids().collect();
    assert_eq!(seen, [id(1), id(2), id(3), id(4)]);
    let again = entries.get(id(4)).expect("in memory").expect("it was added again");
    assert!(again.as_ref().pairs().eq([(b"f".as_slice(), b"again".as_slice())]));
}

#[test]
fn an_append_below_the_last_entry_panics() {
    let entries = tiny_entries(3, BlockLimits::default());
    let append = || entries.clone().append(id(3), &[b"f", b"v"], BlockLimits::default());
    assert!(std::panic::catch_unwind(append).is_err());
}

#[test]
fn slices_can_be_read_by_another_thread() {
    let entries = tiny_entries(10, BlockLimits::default());
    let slice = entries.slice(id(2), id(9), 3, Direction::Descending).expect("in memory");
    let pinned = entries.get(id(4)).expect("in memory").expect("it was added");
    let reader = std::thread::spawn(move || (slice.ids().collect::<Vec<_>>(), pinned.id()));
    let (ids, pinned) = reader.join().expect("the reader does not panic");
    assert_eq!((ids, pinned), (vec![id(9), id(8), id(7)], id(4)));
}

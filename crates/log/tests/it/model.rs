//! Random operations against a `Vec`.

use millstream_log::memory_storage::Crash;
use millstream_log::{LogPosition, MemoryStorage};
use proptest::prelude::*;

use crate::harness::{Log, assert_prefix, small};

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    AppendShared,
    DropUnfinished,
    Write,
    Sync,
    Prepare,
    Close,
    RemoveBefore,
    Restart,
    Crash(Crash),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (0usize..1500).prop_map(Step::Append),
        1 => Just(Step::AppendShared),
        1 => Just(Step::DropUnfinished),
        4 => Just(Step::Write),
        6 => Just(Step::Sync),
        3 => Just(Step::Prepare),
        1 => Just(Step::Close),
        2 => Just(Step::RemoveBefore),
        1 => Just(Step::Restart),
        1 => Just(Step::Crash(Crash::LoseAll)),
        3 => any::<u64>().prop_map(|seed| Step::Crash(Crash::Random(seed))),
    ]
}

fn run(steps: Vec<Step>) {
    let mut log = Log::new(&MemoryStorage::new(), small());
    let mut durable = LogPosition::ZERO;
    let mut number = 0u8;
    for step in steps {
        number = number.wrapping_add(1);
        match step {
            Step::Append(bytes) => {
                log.append(&vec![number; bytes]);
            }
            Step::AppendShared => log.append_shared(vec![number; 70_000]),
            Step::DropUnfinished => log.opened.buffer.record().put_slice(&[number; 100]),
            Step::Write => log.write(),
            Step::Sync => durable = log.sync(),
            Step::Prepare => {
                log.opened.preparer.step().expect("prepares");
            }
            Step::Close => {
                log.write();
                log.opened.committer.write_idle_header().expect("closes");
                durable = log.opened.committer.durable();
            }
            Step::RemoveBefore => log.checkpoint(durable),
            Step::Restart => {
                log.write();
                let before = log.expected();
                log.reopen(log.storage.crash(Crash::KeepAll));
                assert_eq!(log.expected(), before, "a restart loses nothing that was written");
                durable = log.opened.committer.durable();
            }
            Step::Crash(crash) => {
                let before = log.expected();
                let acknowledged = before.iter().filter(|(end, _)| *end <= durable).count();
                log.reopen(log.storage.crash(crash));
                assert_prefix(&log.expected(), &before, acknowledged);
                durable = log.opened.committer.durable();
            }
        }
        assert!(log.opened.room.limit() >= log.opened.committer.written());
    }
    log.sync();
    let expected = log.expected();
    log.reopen(log.storage.crash(Crash::LoseAll));
    assert_eq!(log.expected(), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_log_gives_back_what_was_acknowledged(
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        run(steps);
    }
}

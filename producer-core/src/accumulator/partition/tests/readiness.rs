//! When a queue wants its sender: what lingers, what pauses, and since when it is ready.

use super::*;

#[test]
fn an_open_batch_is_ready_when_its_linger_is_over_and_not_before() {
    let mut case = Case::new();
    assert_eq!(case.readiness(0), Readiness::Wait(None));

    case.open(1, 10);

    assert_eq!(case.readiness(59), Readiness::Wait(Some(case.at(60))));
    assert_eq!(case.readiness(60), Readiness::Ready);
}

#[test]
fn a_flush_a_hurry_or_a_sealed_batch_do_not_linger() {
    let mut case = Case::new();
    case.open(1, 0);
    let hurried = Rules { is_hurried: true, ..RULES };
    assert_eq!(case.queue.readiness(case.start, &hurried), Readiness::Ready);

    let mut waiting = Vec::new();
    case.queue.flush(&mut waiting);

    assert_eq!((waiting.len(), case.readiness(0)), (1, Readiness::Ready));
    let mut case = Case::new();
    case.seal(1);
    assert_eq!(case.readiness(0), Readiness::Ready);
}

#[test]
fn a_retry_keeps_its_pause() {
    let mut case = Case::new();
    case.seal(1);
    let (entry, _, _) = case.take(FIRST, 0).unwrap();
    let not_before = Some(case.at(100));
    let verdict = Verdict::Retry {
        not_before,
        outcome: Outcome::NotWritten,
        needs_new_epoch: false,
        is_missing: false,
        is_move: false,
        reason: "refused".into(),
    };
    case.queue.settle(entry, verdict, &RULES, Instant::now());

    assert_eq!(case.readiness(99), Readiness::Wait(not_before));
    assert_eq!(case.readiness(100), Readiness::Ready);
}

#[test]
fn a_leader_of_a_newer_epoch_is_not_waited_for() {
    for (learned_first, epoch, waits) in [(false, 1, false), (true, 1, false), (false, 0, true), (true, 0, true)] {
        let mut case = Case::new();
        case.seal(1);
        let (entry, _, _) = case.take(FIRST, 0).unwrap();
        if learned_first {
            case.queue.led_since(epoch);
        }
        let not_before = Some(case.at(100));
        let verdict = Verdict::Retry {
            not_before,
            outcome: Outcome::NotWritten,
            needs_new_epoch: false,
            is_missing: false,
            is_move: true,
            reason: "moved".into(),
        };
        case.queue.settle(entry, verdict, &RULES, Instant::now());
        if !learned_first {
            case.queue.led_since(epoch);
        }

        let expected = if waits { Readiness::Wait(not_before) } else { Readiness::Ready };
        assert_eq!(case.readiness(0), expected, "epoch {epoch}, known before the refusal: {learned_first}");
    }
}

#[test]
fn a_full_batch_waits_from_its_end_and_another_from_the_end_of_its_linger() {
    let mut case = Case::new();
    case.open(1, 0);
    case.queue.seal_open(Compression::None);
    case.open(1, 20);
    let backlog = case.queue.backlog(Duration::from_secs(60));

    assert_eq!((backlog.batches, backlog.ready_since), (2, Some(case.at(20))));

    let mut alone = Case::new();
    alone.open(1, 0);
    assert_eq!(alone.queue.backlog(Duration::from_secs(60)).ready_since, Some(alone.at(60_000)));
}

//! The failure matrix: every action of the catalogue × every point at which it can fail, counted at the target. Afterwards
//! the target is as it was, or a person has the incident and reads what is still there.
//!
//! The test command runs a slice of it; `cargo xtask soak actions` sets [`WHOLE`] and reads the table.

mod elsewhere;
mod proposals;
mod subjects;

use crate::harness::{Rig, TICKS_MAX};
use crate::world::Answer;
use midwatch_incident::{EffectRecord, Incident, State};
use midwatch_model::decision::Mode;
use midwatch_store::CrashPoint;
use std::fmt::Write as _;
use subjects::{SUBJECTS, Subject, Target};

/// Set where the whole matrix is wanted; everything else runs a slice.
const WHOLE: &str = "MIDWATCH_TEST_MATRIX";

/// Whether everything is wanted.
pub fn is_whole() -> bool {
    std::env::var_os(WHOLE).is_some()
}

/// Where an action or its undo fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    /// Before the call: the target turns it down.
    Refused,
    /// midwatch dies when the intent is on record and the call was not made.
    CrashBefore,
    /// During the call: something was done, and it says that it failed.
    HalfWay,
    /// midwatch dies while the target does it.
    CrashDuring,
    /// After the call: it was done, and the answer is lost.
    AnswerLost,
    /// It was done and answered, and midwatch dies before that is on record.
    CrashAfter,
    /// No answer in time, and nothing was done.
    TimedOut,
    /// It was done and does not help.
    NoHelp,
    UndoRefused,
    UndoRefusedForEver,
    UndoFails,
    UndoLost,
    UndoTimedOut,
    UndoCrashBefore,
    UndoCrashDuring,
    UndoCrashAfter,
}

const POINTS: [(Point, &str, &[Answer]); 16] = {
    use Answer::{Apply, Fail, HalfWay, Hang, Lose, Pause, Refuse, TimeOut};
    const NEVER: Answer = Hang { applied: false };
    const DONE: Answer = Hang { applied: true };
    [
        (Point::Refused, "refused", &[Refuse]),
        (Point::CrashBefore, "crash<", &[NEVER]),
        (Point::HalfWay, "half-way", &[HalfWay]),
        (Point::CrashDuring, "crash=", &[DONE]),
        (Point::AnswerLost, "lost", &[Lose]),
        (Point::CrashAfter, "crash>", &[Pause]),
        (Point::TimedOut, "timeout", &[TimeOut]),
        (Point::NoHelp, "no help", &[]),
        (Point::UndoRefused, "U refused", &[Apply, Refuse]),
        (Point::UndoRefusedForEver, "U never", &[Apply, Refuse, Refuse, Refuse]),
        (Point::UndoFails, "U fails", &[Apply, Fail]),
        (Point::UndoLost, "U lost", &[Apply, Lose]),
        (Point::UndoTimedOut, "U timeout", &[Apply, TimeOut]),
        (Point::UndoCrashBefore, "U crash<", &[Apply, NEVER]),
        (Point::UndoCrashDuring, "U crash=", &[Apply, DONE]),
        (Point::UndoCrashAfter, "U crash>", &[Apply, Pause]),
    ]
};

/// What must be so in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    /// Changes at the target, counted there.
    changes: usize,
    /// Whether something is left that a person is told of.
    is_left: bool,
}

impl Point {
    fn is_of_undo(self) -> bool {
        self as usize >= Point::UndoRefused as usize
    }

    fn end(self, has_undo: bool) -> End {
        let (changes, is_left) = match self {
            Point::Refused | Point::TimedOut => (0, false),
            Point::UndoRefusedForEver | Point::UndoFails => (1, true),
            _ if has_undo => (2, false),
            _ => (1, true),
        };
        End { changes, is_left }
    }
}

/// One field of the matrix: a run that acts and fails, in which the call or its undo goes wrong.
async fn field(subject: &Subject, point: Point, answers: &[Answer]) -> Result<(), String> {
    let (mut rig, target) = subject.rig(Mode::Auto, false).await;
    let before = target.state(&rig);
    rig.break_payment_until(None);
    rig.world.answer(answers);
    for _ in 0..TICKS_MAX {
        rig = tick(rig).await;
        let is_over = |i: &Incident| i.state == State::Escalated && i.report_is_current;
        if rig.incidents().await.iter().any(is_over) {
            return verdict(&rig, &target, &before, point.end(subject.has_undo)).await;
        }
    }
    Err(format!("no end:\n{}", rig.story().await))
}

/// A tick, in which midwatch may die: where a call hangs, or right after it was answered.
async fn tick(rig: Rig) -> Rig {
    let died = {
        let tick = rig.try_tick();
        tokio::pin!(tick);
        tokio::select! {
            biased;
            () = rig.world.hanging.notified() => {
                if rig.world.is_paused() {
                    rig.engine.store.crash_at(1, CrashPoint::Before);
                    rig.world.answer_now();
                    assert!(tick.await.is_err(), "the store fails");
                }
                true
            }
            result = &mut tick => {
                result.expect("a tick");
                false
            }
        }
    };
    if died { rig.reopen().await } else { rig }
}

async fn verdict(rig: &Rig, target: &Target, before: &str, wanted: End) -> Result<(), String> {
    let incident = rig.incident().await;
    let mut wrong = String::new();
    let changes = target.changes(rig);
    if changes != wanted.changes {
        let _ = writeln!(wrong, "{changes} changes at the target, {} expected", wanted.changes);
    }
    let now = target.state(rig);
    if !wanted.is_left && now != before {
        let _ = writeln!(wrong, "the target was {before} and is {now}");
    }
    if let Some(pending) = incident.effects.iter().find(|effect| effect.is_pending()) {
        let _ = writeln!(wrong, "nobody knows how {} ended", pending.intent.key);
    }
    let told = rig.escalations(&incident.id).await.join("; ");
    let what = incident.effects.first().map(|effect: &EffectRecord| effect.intent.action.sentence());
    if wanted.is_left && !what.is_some_and(|what| told.contains(&what)) {
        let _ = writeln!(wrong, "the person is not told what is left: {told}");
    }
    rig.assert_sound().await;
    if wrong.is_empty() { Ok(()) } else { Err(format!("{wrong}{}", rig.story().await)) }
}

/// Whether a field is in the slice: all of the first action, and one point of each other, another one each time.
fn is_of_slice(row: usize, column: usize) -> bool {
    let count = if SUBJECTS[row].has_undo { POINTS.len() } else { Point::UndoRefused as usize };
    row == 0 || column == (row * 3) % count
}

#[tokio::test]
async fn the_matrix_of_actions_and_failures_ends_as_before_or_with_a_person() {
    let whole = is_whole();
    let heads: Vec<String> = POINTS.iter().map(|(_, head, _)| format!("{head:>9}")).collect();
    println!("{:<36}{}", "action", heads.join(" "));
    let (mut held, mut broken) = (0, Vec::new());
    for (row, subject) in SUBJECTS.iter().enumerate() {
        let mut line = format!("{:<36}", subject.name);
        for (column, (point, head, answers)) in POINTS.iter().enumerate() {
            let applies = (subject.has_undo || !point.is_of_undo()) && (whole || is_of_slice(row, column));
            let shown = if !applies {
                "-"
            } else if let Err(why) = field(subject, *point, answers).await {
                broken.push(format!("{} × {head}: {why}", subject.name));
                "BROKEN"
            } else {
                held += 1;
                match point.end(subject.has_undo) {
                    End { is_left: true, .. } => "told",
                    End { changes: 0, .. } => "untouched",
                    End { .. } => "as before",
                }
            };
            let _ = write!(line, "{shown:>9} ");
        }
        println!("{}", line.trim_end());
    }
    let mut line = format!("{:<36}", "GitHub: pull_request");
    for (point, head, answers) in POINTS {
        let applies = proposals::POINTS.contains(&point) && (whole || point == Point::CrashDuring);
        let shown = if !applies {
            "-"
        } else if let Err(why) = proposals::field(point, answers).await {
            broken.push(format!("pull_request × {head}: {why}"));
            "BROKEN"
        } else {
            held += 1;
            match point {
                Point::UndoLost => "as before",
                Point::UndoRefused => "told",
                _ => "one",
            }
        };
        let _ = write!(line, "{shown:>9} ");
    }
    println!("{}", line.trim_end());
    println!("{held} fields hold, {} do not", broken.len());
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
    assert!(held >= if whole { 425 } else { 46 }, "{held} fields are too few");
}

#[tokio::test]
async fn in_shadow_and_in_a_dry_run_nothing_is_changed_on_any_platform() {
    let one_of_each = SUBJECTS.chunk_by(|one, next| one.place == next.place).map(|of_place| &of_place[0]);
    for subject in one_of_each {
        for (mode, dry_run) in [(Mode::Shadow, false), (Mode::Auto, true)] {
            let (rig, target) = subject.rig(mode, dry_run).await;
            let before = target.state(&rig);
            rig.break_payment_until(None);
            rig.ticks(40).await;
            let story = rig.story().await;
            assert!(story.contains("Plan ") && story.contains("Gate: "), "{}: {story}", subject.name);
            assert_eq!((target.changes(&rig), target.state(&rig)), (0, before), "{}, {mode}", subject.name);
        }
    }
}

//! Looks up what the authentication of a sender lacks, until it is done or its time is over. State: none of its own;
//! questions are shared and remembered like all others. Failure: what is not known is trouble, which the case turns
//! into `temperror`.

use super::answer;
use super::service::Lookup;
use crate::authentication::{Answer, Case, Question, Step};
use crate::verdict::Authentication;
use tokio::time::Instant;

/// Most rounds of questions; SPF alone may need one for each of its mechanisms, twice over with exchangers.
const ROUNDS_MAX: usize = 64;

impl Lookup {
    /// Evaluates a case. What is lacking is asked for together, round after round. Ends at `deadline`.
    pub async fn authenticate(&self, mut case: Case, deadline: Instant) -> Authentication {
        for _ in 0..ROUNDS_MAX {
            match case.step() {
                Step::Done(done) => return *done,
                Step::Ask(questions) if questions.is_empty() => break,
                Step::Ask(questions) => self.answer(&mut case, questions, deadline).await,
            }
            if Instant::now() >= deadline {
                break;
            }
        }
        case.give_up();
        match case.step() {
            Step::Done(done) => *done,
            // A case that was given up is always done.
            Step::Ask(_) => Authentication::default(),
        }
    }

    async fn answer(&self, case: &mut Case, questions: Vec<Question>, deadline: Instant) {
        let each = self.deadline().min(deadline);
        let flights: Vec<_> = questions
            .into_iter()
            .map(|question| (self.start(&question.name, question.kind), question))
            .collect();
        for (flight, question) in flights {
            let answer = translated(flight.by(each).await);
            case.add(question, answer);
        }
    }
}

fn translated(answer: answer::Answer) -> Answer {
    match answer {
        answer::Answer::Records(records) => Answer::Records(records),
        answer::Answer::NoRecords => Answer::NoRecords,
        answer::Answer::NoName => Answer::NoName,
        answer::Answer::Unknown(_) => Answer::Trouble,
    }
}
